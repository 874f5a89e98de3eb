"""What the notebooks of this folder read: runs with their arms, scores of every run, epochs, and the claims

    python read.py           # the study's claims and the answers beside them, as the README shows them
    python read.py --write   # the same put into nbs/index.ipynb, of which `make readme` makes the README
"""
import os, sys
from functools import cache
from pathlib import Path
import nbformat, numpy as np, pandas as pd
from IPython.display import Markdown
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from semiconductor_cls.auc import auc_ci, compare_auc, metrics
from semiconductor_cls.ensemble import committee
from semiconductor_cls.evaluate import rate_ci
from semiconductor_cls.jobs.claims import arm_diffs, claim_table, effect_table, folds_effect, paired_effect
from semiconductor_cls.jobs.curve import boot_laws, expected_gain, fit_power, foretell, foretold_sentence, gain_sentence
from semiconductor_cls.selection import greedy
from run import plants_of, read_grid, set_column

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get('SEMICLS_EXPERIMENTS') or HERE)
TRAINED = { # Data → images that training saw, as `plant.py` says; with wrong labels among them as many as without
    'elpv':1574, 'elpv+imbalance=4':1352, 'elpv+imbalance=20':1136, 'elpv+imbalance=100':1093,
    'elpv+noise=0.1+clean=wrong':1417, 'replica':1373, 'replica+clean=unboxed':1359,
    'replica+noise=0.1+clean=unboxed':1251}
WEAK = ['AlexNet from scratch']
ONE_POINT,RULED_OUT = .01,'a gain of one point is ruled out' # What the study credits to single choices
COMMITTEES = {'three lites':['lite0','lite1','lite2'], 'three lites and a weak one':['lite0','lite1','lite2',*WEAK],
              'three lites and a ResNet34':['lite0','lite1','lite2','ResNet34 from scratch']}

@cache
def kept(path):
    "A table of CSV or Parquet, read once; who changes it copies it first"
    return pd.read_parquet(path) if path.suffix=='.parquet' else pd.read_csv(path)

def results_of(experiment):
    "A row a run of an experiment, with its `arm`; what is not trained yet is missing"
    grid = read_grid(HERE/'grid.csv')
    arms = grid.loc[grid.experiment==experiment, ['run','arm','seed']]
    results = kept(DATA/'results.csv').drop(columns='seed')
    return arms.merge(results, on='run')

def scores_of(run):
    "A row an image that a run has judged: `label set score`"
    scores,results = kept(DATA/'scores.parquet'),kept(DATA/'results.csv')
    row = results[results.run==run].iloc[0]
    table = scores[['label',set_column(row.data, row.split_seed, row.get('changes', '')),run]]
    table = table.set_axis(['label','set','score'], axis=1)
    return table.dropna(subset='score')

def folds_of(experiment, which, seed=0, outer=True):
    "A row an image of each outer fold's `which` set, or of that of the seed's own split: `label`, and its scores"
    def fold(rows):
        tables = {o.arm:scores_of(o.run) for o in rows.itertuples()}
        tables = {arm:table[table['set']==which] for arm,table in tables.items()}
        return pd.DataFrame(dict(label=next(iter(tables.values())).label) | {o:t.score for o,t in tables.items()})
    results = results_of(experiment).query('seed==@seed')
    number = results.data.str.extract(r'fold=(\d)', expand=False)
    results = results.assign(fold=number.fillna('none'))[number.notna()==outer]
    whole = results.groupby('arm').fold.transform('nunique')==results.fold.nunique() # what has all its folds
    return pd.concat({k:fold(rows) for k,rows in results[whole].groupby('fold')}, names=['fold'])

PLANS = { # Name → weights of the members, from a table of scores on the images that choose
    'quick alone':lambda valid: [float(arm=='quick') for arm in valid.columns[1:]],
    'mean of all':lambda valid: None,
    'chosen on validation':lambda valid: greedy(valid.label=='defect', valid.iloc[:,1:]).to_list()}

def even_chance(scores, defect):
    "The score at which a logistic curve through these images gives even chances"
    logits = logit(np.clip(scores, 1e-6, 1-1e-6))
    curve = LogisticRegression(C=np.inf).fit(np.asarray(logits)[:,None], defect)
    return float(expit(-curve.intercept_/curve.coef_)[0,0])

def most_often_right(scores, defect):
    "The score that is right on most of these images"
    thresholds = np.sort(scores)
    right = ((np.asarray(scores)>=thresholds[:,None])==np.asarray(defect)).mean(1)
    return thresholds[right.argmax()]

def committee_by_fold(valid, test, plan):
    "`score` of each test image and whether it is `right`; weights and threshold from its own fold's validation images"
    def quarter(fold):
        chooses,judged = (o.loc[[fold]] for o in (valid, test))
        weights = PLANS[plan](chooses)
        seen,scores = (committee(o.iloc[:,1:], weights) for o in (chooses, judged))
        is_defect = scores>=even_chance(seen, chooses.label=='defect')
        return pd.DataFrame(dict(score=scores, right=is_defect==(judged.label=='defect')), judged.index)
    return pd.concat(map(quarter, test.index.unique('fold'))).loc[test.index]

def committees_over_folds(valid, test):
    "A row a committee, over all outer folds: `AUC lower upper`, `accuracy least most`"
    def row(plan):
        judged = committee_by_fold(valid, test, plan)
        least,most,*_ = rate_ci(int(judged.right.sum()), len(test))
        return *auc_ci(test.label=='defect', judged.score), judged.right.mean(), float(least), float(most)
    return pd.DataFrame(map(row, PLANS), list(PLANS), ['AUC','lower','upper','accuracy','least','most'])

def beside_aim(best):
    "What a committee's two intervals say of the aim"
    def side(low, high, aim): return 'missed' if high<aim else 'reached' if low>aim else 'open'
    auc,right = side(best.lower, best.upper, .95),side(best.least, best.most, .9)
    return auc if auc==right else f'{auc} for the AUC and {right} for the accuracy'

def curve_of():
    "The learning curve: its table, truth, scores of its runs, groups"
    table,scores = kept(DATA/'curve.csv'),kept(DATA/'curve.parquet')
    return table, (scores.label=='defect').to_numpy(), scores[table.run].T.to_numpy(), scores.group.to_numpy()

def overkill_of(results, recall=.9):
    "The same rows, with the overkill on the test images at a fixed recall as their value, so less is better"
    from semiconductor_cls.operate import operating_points
    rows = []
    for run in results.run:
        test = scores_of(run).query("set=='test'")
        points = operating_points(test.label=='defect', test.score, recalls=(recall,), overkills=())
        rows.append(points.loc[0, ['value','lo','hi']].tolist())
    found = pd.DataFrame(rows, results.index, ['value','lower','upper'])
    return results.assign(metric=f'overkill at recall {recall:g}', **found)

def caught_of(experiment):
    "A row a run and type of defect: how many of `n` were stopped by score, as unlike training, or by either"
    return results_of(experiment)[['run','arm','split_seed']].merge(pd.read_csv(DATA/'caught.csv'), on='run')

def auc_with_leaks(run, shares):
    "AUC on test sets of which each of these shares are copies of training images, class by class"
    judged = scores_of(run)
    judged = judged[judged.set.isin(['test','unlabelled'])] # copies have no label for the run
    truth,copied = judged.label=='defect',judged.set=='unlabelled'
    size = judged.groupby([truth.rename('truth'), copied.rename('copied')]).score.transform('size').to_numpy()
    weights = np.stack([np.where(copied, share, 1-share)/size for share in shares])
    return metrics(truth, judged.score, weights)['auc']

def epochs_of(experiment):
    "A row an epoch of each run of an experiment, with its `arm`"
    epochs = pd.read_csv(DATA/'epochs.csv')
    return results_of(experiment)[['run','arm','split_seed']].merge(epochs, on='run')

def auc_of(scores, which):
    "AUC of a table of scores on one set"
    part = scores[scores['set']==which]
    return auc_ci(part.label=='defect', part.score)[0]

def mean_scores(runs):
    "Scores of a committee: the mean of its members' on the same images"
    tables = [scores_of(run) for run in runs]
    return tables[0].assign(score=np.mean([table.score.reindex(tables[0].index) for table in tables], axis=0))

def machine(devices):
    "The one device of several runs"
    return devices.iloc[0] if devices.nunique()==1 else 'several'

def committees_of(results):
    "A row a committee and seed, and a row for the lite member that validation would choose"
    rows = []
    for seed,members in results.groupby('seed'):
        run,device = members.set_index('arm').run,members.set_index('arm').device
        for arm,names in COMMITTEES.items():
            if not set(names) <= set(run.index): continue
            rows.append((arm, seed, auc_of(mean_scores(run[names]), 'test'), machine(device[names])))
        lites = COMMITTEES['three lites']
        if not set(lites) <= set(run.index): continue
        best = max(lites, key=lambda name: auc_of(scores_of(run[name]), 'valid'))
        rows.append(('best on validation', seed, auc_of(scores_of(run[best]), 'test'), device[best]))
    made = pd.DataFrame(rows, columns=['arm','seed','value','device'])
    return pd.concat([results, made.assign(split_seed=made.seed)], ignore_index=True)

def with_committees(experiment):
    "`results_of`, and what is made of several runs"
    results = results_of(experiment)
    return committees_of(results) if experiment=='08_ensemble' else results

def claims_of(experiment):
    "The claim in words → (arm, base)"
    claims = pd.read_csv(HERE/'claims.csv')
    own = claims[claims.experiment==experiment]
    return dict(zip(own.claim, zip(own.arm, own.base)))

def alike(results, arm, base):
    "Differences of the pairs whose two trainings ran on one kind of machine"
    device = results[results.arm.isin([arm,base])].pivot(index='seed', columns='arm', values='device')
    same = device.index[(device[arm]==device[base]) & (device[arm]!='several')]
    return arm_diffs(results[results.seed.isin(same)], arm, base) if len(same) else pd.Series(dtype=float)

def share_of(results, arms):
    "Test images for each training image, of the arm that trained on fewest"
    data = results.data[results.arm.isin(arms)].dropna().unique() # That of a committee is that of its members
    trained = [TRAINED.get(o) or TRAINED.get(plants_of(o)[0], TRAINED['elpv']) for o in data]
    return float((results.n_good+results.n_defect).max()/min(trained, default=TRAINED['elpv']))

def shares_of(results, claims): return {claim:share_of(results, arms) for claim,arms in claims.items()}

def with_alike(table, results, claims):
    "The table of claims, and the same effect over the pairs of one kind of machine: `alike` of them"
    rows = []
    for claim in table.claim:
        diffs = alike(results, *claims[claim])
        share = share_of(results, claims[claim])
        rows.append((len(diffs), *(paired_effect(diffs, share)[:3] if len(diffs)>1 else [np.nan]*3)))
    return table.assign(**pd.DataFrame(rows, table.index, ['alike','alike_diff','alike_lo','alike_hi']))

def fold_diffs(results, arm, base):
    "Differences in AUC of an arm and its base, by outer fold and seed"
    by = results[results.arm.isin([arm,base])].set_index(['arm','data','seed'])
    same = by.device[arm].eq(by.device[base])
    return (by.value[arm]-by.value[base]).to_frame('diff').assign(same=same).dropna()

def table_on_folds(experiment, claims, together=False):
    """Effects and verdicts of claims whose arms have all outer folds, by two seeds at least.
    Their intervals are of 95 % each, or widened so that they hold `together`"""
    level = 1-.05/(len(claims) if together else 1)
    results = results_of(experiment)
    results = results[results.data.str.contains('fold=')]
    tables = [folds_of(experiment, 'test', seed) for seed in sorted(results.seed.unique())]
    def is_whole(arms): return len(tables)>1 and all({*arms} <= set(table) for table in tables)
    def scores(table, arms): return [table.loc[fold, [*arms]].to_numpy().T for fold in table.index.unique('fold')]
    def folds(*arms):
        truth = (tables[0].label=='defect').groupby('fold').apply(np.array)
        return [(y, *np.stack(seeds, axis=1)) for y,*seeds in zip(truth, *(scores(table, arms) for table in tables))]
    table = effect_table({claim:folds_effect(folds(*arms), len(claims), level)
                          for claim,arms in claims.items() if is_whole(arms)})
    alike = [fold_diffs(results, *claims[claim]).same.sum() for claim in table.claim]
    return table.assign(alike=alike, alike_diff=np.nan, alike_lo=np.nan, alike_hi=np.nan)

def tried(experiment, value=None):
    """Results and claims of an experiment, and the table of effects and verdicts; a claim needs two pairs of runs.
    `value` makes of the results others, whose value is another measure that is better where it is larger"""
    results = with_committees(experiment)
    if results.data.str.contains('fold=').all():
        claims = claims_of(experiment)
        table = table_on_folds(experiment, claims)
        return results, {claim:claims[claim] for claim in table.claim}, table
    if value is not None: results = value(results)
    pairs = results.groupby('arm').seed.nunique()
    claims = {name:arms for name,arms in claims_of(experiment).items() if min(pairs.get(o, 0) for o in arms)>1}
    table = claim_table(results, claims, shares_of(results, claims))
    return results, claims, with_alike(table, results, claims)

def epochs_to_best(experiment, share=.99):
    "Arm × split: the unfrozen epoch that first has this share of its split's best validation AUC; one more if none"
    epochs = epochs_of(experiment).query("stage=='unfrozen'")
    best = epochs.groupby('split_seed').auc.transform('max')
    at = epochs.epoch.where(epochs.auc>=share*best, epochs.epoch.max()+1)
    return at.groupby([epochs.arm, epochs.split_seed]).min().unstack().rename_axis(columns='split')

def faster(experiment):
    "`tried` on epochs to 99 % of the best: an effect is the number of epochs that are saved"
    counts = epochs_to_best(experiment)
    results,claims,table = tried(experiment, lambda o: o.assign(value=[-counts.at[r.arm, r.split_seed]
                                                                       for r in o.itertuples()]))
    def name(claim): return claim.replace(' beats ', ' needs fewer epochs than ')
    return results, {name(k):v for k,v in claims.items()}, table.assign(claim=table.claim.map(name))

def less_overkill(experiment, recall=.9):
    "`tried` on the overkill at a fixed recall: an effect is the overkill that is saved"
    return tried(experiment, lambda o: overkill_of(o, recall).assign(value=lambda t: -t.value))

def points(row, scale=100, of=''):
    "An effect in points (hundredths), with its interval; the names of its columns begin with `of`"
    diff,lo,hi = (scale*getattr(row, of+name) for name in ('diff','lo','hi'))
    return f'{diff:+.2f} ({lo:+.2f} to {hi:+.2f})'

def alike_points(row, scale=100):
    "How many pairs are of one kind of machine, and where these are not all of them, their effect"
    if row.alike==row.pairs or np.isnan(row.alike_diff): return f'{row.alike:.0f}'
    return f"{row.alike:.0f}: {points(row, scale, 'alike_')}"

def alike_words(row, scale=100):
    "The same as words that end a sentence"
    if row.alike==row.pairs: return ', each on one kind of machine'
    if row.alike<2 or np.isnan(row.alike_diff): return f', {row.alike:.0f} of them on one kind of machine'
    return f"; the {row.alike:.0f} on one kind of machine have {points(row, scale, 'alike_')}"

def summary(table):
    "The verdicts, counted"
    counts = table.verdict.value_counts()
    said = [f'{n} {word}' for word,n in counts.items()]
    return f"**{len(table)} {'claim' if len(table)==1 else 'claims'} tried: {', '.join(said)}.**"

def answers(table, unit='points of AUC', scale=100):
    "The verdicts counted, then a line a claim"
    if not len(table): return Markdown('No claim has two pairs of runs yet; `make experiments` trains them.')
    lines = [f'- {row.claim}: **{row.verdict}** (corrected p {row.p_holm:.3f}). '
             f'{points(row, scale)} {unit}, {row.pairs} pairs'
             f'{alike_words(row, scale)}. A true difference of {scale*row.seen:.1f} would be found in four of five '
             'tries.' for row in table.itertuples()]
    return Markdown('\n'.join([summary(table), '', *lines]))

def progress(results):
    "How many runs each arm has"
    counts = results.arm.value_counts(sort=False)
    most = counts.max()
    fewer = [f'{arm} has {n} of {most}' for arm,n in counts.items() if n<most]
    said = f"{len(counts)} arms, {most} {'run' if most==1 else 'runs'} each"
    return ', but '.join([said, ', '.join(fewer)] if fewer else [said])

def few_gains(arm, base='quick'):
    "A row a split that both arms have: the paired difference in points of AUC, with its interval over the images"
    results = results_of('14_small_sets')
    runs = results.pivot(index='seed', columns='arm', values='run')[[arm,base]].dropna()
    def gain(seed):
        a,b = (scores_of(runs.at[seed, o]).query("set=='test'") for o in (arm, base))
        found = compare_auc(a.label=='defect', a.score, b.score.reindex(a.index))
        return dict(arm=arm, split=seed, AUC=found['auc_a'], quick=found['auc_b'],
                    **{k:100*found[k] for k in ('diff','lo','hi')})
    return pd.DataFrame(map(gain, runs.index))

def few_words():
    "What 24 epochs are worth with few pictures"
    gains = few_gains('24 epochs')['diff']
    words = ['no','one','two','three'][len(gains)]
    *most,last = (f'{o:+.1f}' for o in gains)
    return f"{words} splits, {' and '.join(filter(None, [', '.join(most), last]))} points of AUC over `quick`"

def far_sentence():
    "How far the photographs go, with the committee of all levers that have their folds"
    valid,test = folds_of('10_beyond', 'valid'),folds_of('10_beyond', 'test')
    best = committees_over_folds(valid, test).loc['chosen on validation']
    ways = {arm:auc_ci(test.label=='defect', test[arm]) for arm in test.columns[1:]}
    top = max(ways, key=lambda arm: auc_ci(valid.label=='defect', valid[arm])[0])
    said = ', '.join(f'{arm} {auc:.3f} ({low:.3f} to {high:.3f})' for arm,(auc,low,high) in
                     [('the base', ways['quick']), (f'of {len(ways)} ways the best on validation, {top},', ways[top])])
    return ('**How far do these photographs go?** Four outer folds judge each cell once. AUC: '
            f'{said}. The committee that validation makes of them has {best.AUC:.3f} ({best.lower:.3f} to '
            f'{best.upper:.3f}) and is right on {100*best.accuracy:.1f} % of the cells '
            f'({100*best.least:.1f} to {100*best.most:.1f}) ([10](experiments/10_beyond.ipynb)). '
            f'Whether that reaches our aim, 0.95 and 90 %, is {beside_aim(best)}.')

def dealt_both_ways():
    "Test scores of cells that were dealt at random, of the same with neighbours together, and the block of each cell"
    alone,together = (folds_of(o, 'test').droplevel('fold').sort_index() for o in ('10_beyond','15_neighbours'))
    assert together.index.equals(alone.index) and (together.label==alone.label).all()
    n, = {int(o) for o in results_of('15_neighbours').data.str.extract(r'together=(\d+)')[0]}
    return alone, together, np.arange(len(together))//n

def module_sentence():
    "What is left where neighbours in the list stay in one set"
    alone,together,block = dealt_both_ways()
    (new,low,high),(old,*_) = (auc_ci(o.label=='defect', o.quick, groups=block) for o in (together, alone))
    return ('**And on a solar module that training never saw?** ELPV numbers its cells module by module, so a random '
            'split shows training other cells of the module that it is judged on. Where blocks of 60 neighbours stay '
            f'in one set, the base has {new:.3f} ({low:.3f} to {high:.3f}) instead of {old:.3f} '
            '([15](experiments/15_neighbours.ipynb)). Every figure on ELPV that rests on a random split is flattered '
            'so, the papers\' and ours.')

def many_sentence():
    "How many defects one needs, and whether half would have said so"
    table,truth,P,groups = curve_of()
    law,laws = fit_power(table.defects, 1-table.auc),boot_laws(table, truth, P, groups)
    most = int(table.defects.max())
    gain = expected_gain(law, laws, most, seen=table.auc[table.defects==most].mean())
    said = gain_sentence(gain).replace('; the', '. The')
    check = foretold_sentence(foretell(table, truth, P, groups))
    return (f'**How many defects does one need?** On ELPV {said} {check} '
            '([12](experiments/12_how_many.ipynb))')

def new_sentence():
    "Whether defective cells are stopped whose type training never saw"
    caught = caught_of('13_a_new_cell').set_index('type').loc[['mono','poly']]
    known,new = caught[caught.arm=='both types seen'],caught[caught.arm=='no '+caught.index]
    def shares(rows, way):
        rows = rows.groupby('type').agg(k=(way,'sum'), judged=('n','sum'), n=('n','max')) # a defect counts once
        share = rows.k/rows.judged
        ends = [rate_ci(round(k), int(n))[:2] for k,n in zip(share*rows.n, rows.n)]
        return [f'{100*o:.0f} % ({100*low:.0f} to {100*high:.0f})' for o,(low,high) in zip(share, ends)]
    (mono,poly),(mono_known,poly_known),(mono_either,poly_either) = (
        shares(new, 'score'), shares(known, 'score'), shares(new, 'either'))
    return ('**Is a defect stopped that training never saw?** Where training saw no defect of a monocrystalline cell, '
            f'{mono} of those are stopped by their score; of a polycrystalline one, {poly}. Where it saw '
            f'both, {mono_known} and {poly_known}. By the score or as unlike training, '
            f'{mono_either} and {poly_either} ([13](experiments/13_a_new_defect.ipynb)).')

def leak_sentence():
    "How much copies of training images in the test set flatter"
    shares = np.array([0, .01, .1])
    each = np.array([100*auc_with_leaks(run, shares) for run in results_of('09_leaks').run])
    few,many = (each[:,1:]-each[:,:1]).T
    return ('**How much does a leak flatter?** On drawn chips, where one test image in a hundred is a copy of a '
            f'training image, the AUC looks {few.mean():.2f} points better. With one in ten it is {many.mean():.2f} '
            f'({many.min():.2f} to {many.max():.2f} in {len(many)} trainings; [09](experiments/09_cleaning.ipynb)).')

def claim_rows():
    "Each claim of `claims.csv`, and what came out of it; `None` without two pairs of runs"
    claims = pd.read_csv(HERE/'claims.csv')
    found = {name:tried(name)[2].set_index('claim', drop=False) for name in claims.experiment.unique()}
    for claim in claims.itertuples():
        table = found[claim.experiment]
        yield claim, next(table.loc[[claim.claim]].itertuples()) if claim.claim in table.index else None

def claims_shown(headlines=False):
    "The table of all claims, or of the study's own, in Markdown, and a sentence on those that wait for their trainings"
    heads = ['The study','Tried here','Effect, points of AUC (95 % interval)','Pairs',
             'Of them on one kind of machine','Verdict','Notebook']
    speed = faster('06_schedule')[2].set_index('claim', drop=False)
    lines,waiting = ['| '+' | '.join(heads)+' |', '|---'*len(heads)+'|'],[]
    for claim,row in claim_rows():
        if headlines and claim.headline!='yes': continue
        if row is None: waiting.append(claim.claim)
        else:
            number = claim.experiment[:2]
            notebook, = HERE.glob(f'{number}_*.ipynb') # One notebook may tell of several experiments
            where = f'[{number}](experiments/{notebook.name})'
            name,effect,scale = claim.claim,points(row),100
            if number=='06': # The study speaks of epochs
                name,scale = name.replace(' beats ', ' needs fewer epochs than '),1
                row = next(speed.loc[[name]].itertuples())
                effect = f'epochs saved: {points(row, 1)}; AUC at the end: {effect}'
            ruled_out = f', {RULED_OUT}'*('1 %' in claim.study and row.hi<ONE_POINT)
            cells = [claim.study, name, effect, row.pairs, alike_points(row, scale), f'**{row.verdict}**{ruled_out}',
                     where]
            lines.append('| '+' | '.join(map(str, cells))+' |')
    cleaning = '[09](experiments/09_cleaning.ipynb)'
    lines.append(f'| Copies are removed before the split | leaks | see below | | | on drawn chips | {cleaning} |')
    if waiting: lines += ['', f"Planned in `grid.csv` and not trained yet: {'; '.join(waiting)}."]
    return '\n'.join(lines)

def readme_claims():
    "What the README says of the study's claims, and of the questions that go beyond them"
    told = [o() for o in (far_sentence, module_sentence, many_sentence, new_sentence, leak_sentence)]
    return '\n\n'.join([claims_shown(headlines=True), *told])

def write_claims():
    "Put the claims into the cell of the index that shows them, between its first and its last paragraph"
    path = HERE.parent/'index.ipynb'
    index = nbformat.read(path, 4)
    cell, = [o for o in index.cells if o.source.startswith("## Which of the study's claims hold")]
    first,last = cell.source.partition('\n\n| The study')[0],cell.source.rpartition('\n\nBase: ')[2]
    cell.source = f'{first}\n\n{readme_claims()}\n\nBase: {last}'
    nbformat.write(index, path)

if __name__=='__main__': write_claims() if '--write' in sys.argv else print(readme_claims())
