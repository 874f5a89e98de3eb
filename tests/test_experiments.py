"Guards the grid of experiments: what is trained, what a row says, and that every notebook runs on tiny stand-ins"
import argparse, functools, os, re, signal, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import nbformat, numpy as np, pandas as pd, psutil, pytest, torch
from conftest import PATIENCE, wait_for
from sklearn.metrics import roc_auc_score
from semiconductor_cls.evaluate import rates
from semiconductor_cls.operate import threshold_by_rate

HERE = Path(__file__).resolve().parent.parent/'nbs/experiments'
sys.path.insert(0, str(HERE))
import linear, plant, read, run

def grid(): return run.read_grid(HERE/'grid.csv')

def test_seeds_in_words():
    assert run.parse_seeds('0-4')==[0,1,2,3,4]
    assert run.parse_seeds('2')==[2] and run.parse_seeds('1,5')==[1,5]

def test_the_same_training_in_two_experiments_is_one():
    assert run.run_name('elpv', 'quick', 'a=1 b=2', 3)==run.run_name('elpv', 'quick', 'b=2 a=1', 3)
    assert run.run_name('elpv', 'quick', 'a=1', 3)!=run.run_name('elpv', 'quick', 'a=2', 3)
    rows = grid()
    assert rows.run.nunique()<len(rows)

def test_arms_of_an_experiment_share_splits_and_seeds():
    claimed = set(pd.read_csv(HERE/'claims.csv').experiment)
    for name,rows in grid().groupby('experiment'):
        seeds = rows.groupby('arm').seed.agg(set)
        assert set.intersection(*seeds) and rows.groupby('arm').size().min()>=3, name
        assert name not in claimed or rows.groupby('arm').seed.agg(tuple).nunique()==1, name # a claim is made of pairs

def test_every_row_of_the_results_names_a_command_that_the_grid_would_give():
    results = pd.read_csv(HERE/'results.csv')
    assert results.run.is_unique and results.value.between(results.lower, results.upper).all()
    made = results[['run','command','threads','device']]
    for row in grid().drop_duplicates('run').merge(made, on='run').to_dict('records'):
        device = None if row['device']=='cpu' else 'cuda'
        words = run.without_name(run.command_of(row, '.', device=device))
        before = [' '.join(o) for o in (run.draw_command(row, '.'), run.plant_command(row, '.')) if o]
        train = f"OMP_NUM_THREADS={row['threads']} {' '.join(words)}"
        assert row['command']==' && '.join([*before, train])==run.shown_command(row, row['threads'], device=device)

def test_data_with_something_planted_have_a_name_and_two_commands():
    row = dict(data='elpv+noise=0.05+imbalance=4', recipe='quick', changes='loss=ce', seed=3)
    row['run'] = run.run_name(row['data'], row['recipe'], row['changes'], row['seed'])
    assert row['run']=='elpv-noise_0.05-imbalance_4-quick-loss_ce-s3'
    assert run.run_name('elpv+noise=0.02', 'quick', '', 0)!=run.run_name('elpv+noise=0.05', 'quick', '', 0)
    table = 'elpv+noise=0.05+imbalance=4-s3.csv'
    first = f'python nbs/experiments/plant.py elpv --noise 0.05 --imbalance 4 --seed 3 --out {table}'
    train = f'OMP_NUM_THREADS=1 semicls train {table} --recipe quick --seed 3 --set split_seed=3 --set loss=ce'
    assert run.shown_command(row, 1)==f'{first} && {train}'
    drawn = dict(row, data='replica+without=lead_glue')
    before = ('semicls synth replica --scale 0.05 --seed 1 && python nbs/experiments/plant.py replica '
              '--without lead_glue --truth --seed 3 --out replica+without=lead_glue-s3.csv && ')
    assert run.shown_command(drawn, 1).startswith(before)
    plain = dict(row, data='elpv')
    assert run.plant_command(plain, '.')==[] and run.shown_command(plain, 2).startswith('OMP_NUM_THREADS=2 semicls')

@pytest.fixture(scope='module')
def chips(tmp_path_factory):
    from semiconductor_cls.synth import synth_folder
    folder = tmp_path_factory.mktemp('chips')
    synth_folder(folder, 60, 40, seed=5)
    return folder

def split_of(data, seed):
    from dataclasses import replace
    from semiconductor_cls.jobs.job import prepare
    from semiconductor_cls.recipe import QUICK
    return prepare(data, replace(QUICK, split_seed=seed))[0].set_index('id')

def planted(chips, out, *options):
    assert plant.main([str(chips), *options, '--seed', '3', '--out', str(out)])==0
    return split_of(out, 3)

def test_planted_noise_turns_training_labels_alone_and_more_of_it_turns_the_same_ones_and_others(chips, tmp_path):
    plain = split_of(chips, 3)
    few,many = (planted(chips, tmp_path/f'{share}.csv', '--noise', share) for share in ('0.1','0.3'))
    for df in (few,many):
        assert df.split.equals(plain.split) and df.true_label.equals(plain.label)
    assert not split_of(chips, 4).split.equals(plain.split)
    wrong = [set(df.index[df.label!=df.true_label]) for df in (few,many)]
    train = plain[plain.split=='train'].label.value_counts()
    assert wrong[0]<wrong[1]<=set(plain.index[plain.split=='train'])
    assert [len(o) for o in wrong]==[sum(round(share*n) for n in train) for share in (.1,.3)]

def test_planted_imbalance_takes_training_defects_alone_and_fewer_lie_within_more(chips, tmp_path):
    plain = split_of(chips, 3)
    few,many = (planted(chips, tmp_path/f'{ratio}.csv', '--imbalance', ratio) for ratio in ('9','3'))
    n_good = ((plain.split=='train') & (plain.label=='good')).sum()
    left = []
    for df,ratio in ((few,9),(many,3)):
        assert df.split.equals(plain.split[df.index]) and df.label.equals(plain.label[df.index])
        gone = plain.loc[plain.index.difference(df.index)]
        assert set(zip(gone.split, gone.label))=={('train','defect')}
        left.append(set(df.index[(df.split=='train') & (df.label=='defect')]))
        assert len(left[-1])==round(n_good/ratio)
    assert left[0]<left[1]

@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    "A replica with its truth: the table in which something is planted, by its words. No test changes one"
    from semiconductor_cls.synth import synth
    folder = tmp_path_factory.mktemp('drawn')
    truth = synth(folder/'replica', .012, seed=1)
    @functools.cache
    def f(*words): return planted(folder/'replica', folder/f"{'_'.join(words)}.csv", '--truth', *words)
    f.truth = truth.assign(id=truth.path.map(lambda o: Path(o).stem))
    return f

def test_a_type_that_training_never_saw_is_in_the_test_set_alone(chips, drawn):
    types = split_of(chips, 3).defect_type
    assert types.isna().all(), 'a folder of good and defect tells no types'
    seen,unseen = (drawn('--without', kind) for kind in ('nothing','scratch'))
    assert seen.split.eq('test').sum()==unseen.split.eq('test').sum()>0
    assert unseen.split.equals(seen.split[unseen.index])
    assert set(unseen.split[unseen.defect_type=='scratch'])=={'test'}
    gone = seen.loc[seen.index.difference(unseen.index)]
    assert len(gone) and set(gone.defect_type)=={'scratch'} and set(gone.split)<={'train','valid'}
    known = drawn.truth.set_index('id').true_label
    test = seen[seen.split=='test']
    assert test.label.to_dict()==known[test.index].to_dict()

def test_leaks_are_copies_of_training_images_that_a_run_judges_apart(chips, tmp_path):
    leaky = planted(chips, tmp_path/'leaky.csv', '--leaks', '0.5')
    plain = split_of(chips, 3)
    leaks = leaky[leaky.index.str.startswith('leak-')]
    assert leaky.drop(index=leaks.index).split.equals(plain.split)
    assert set(leaks.split)=={'unlabelled'} and leaks.label.isna().all() and set(leaks.true_label)=={'good','defect'}
    assert abs(len(leaks)-.5*(plain.split=='test').sum())<=2
    train = plain[plain.split=='train'].hash
    assert set(leaks.hash)<=set(train)

def test_what_is_cleaned_goes_from_training_alone(drawn):
    truth,plain,noisy = drawn.truth,drawn('--without', 'nothing'),drawn('--noise', '0.1')
    wrong = set(noisy.index[noisy.label!=noisy.true_label])
    bare = set(truth.id[(truth.label=='defect') & ~truth.boxed])
    def gone(before, *words): return set(before.index)-set(drawn(*words).index)
    in_training = set(plain.index[plain.split=='train'])
    assert gone(noisy, '--noise', '0.1', '--clean', 'wrong')==wrong!=set()
    assert gone(plain, '--clean', 'unboxed')==bare & in_training!=set()
    called_defect = wrong & set(noisy.index[noisy.label=='defect']) # a good part has no box
    kept = set(noisy.index[noisy.label=='defect'])
    assert gone(noisy, '--noise', '0.1', '--clean', 'unboxed')==called_defect | (bare & in_training & kept)

@pytest.mark.parametrize('words,why', [(['--without','rust'], 'no such defects'), (['--leaks','2'], 'from 0 to 1'),
                                       (['--imbalance','0.5'], 'the least is'), (['--noise','0.7'], 'from 0 to 0.5'),
                                       (['--noise','nan'], 'from 0 to 0.5'), (['--clean','wrong'], 'there are none')])
def test_what_cannot_be_planted_is_refused_in_a_line(chips, tmp_path, capsys, words, why):
    assert plant.main([str(chips), *words, '--out', str(tmp_path/'t.csv')])==1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('plant.py: --') and why in said and not (tmp_path/'t.csv').exists()

def test_four_folds_judge_each_image_once_whatever_the_seed(chips, tmp_path):
    tables = [planted(chips, tmp_path/f'{k}.csv', '--fold', str(k)) for k in range(4)]
    held = [df.index[df.split=='test'] for df in tables]
    assert sorted(o for ids in held for o in ids)==sorted(tables[0].index)
    again = planted(chips, tmp_path/'again.csv', '--fold', '1', '--seed', '9')
    assert set(again.index[again.split=='test'])==set(held[1])
    names = {run.set_column(f'elpv+fold={k}', seed) for k in range(4) for seed in range(3)}
    assert len(names)==12 and run.set_column('elpv+noise=0.05', 3)=='set_3'
    assert run.set_column('elpv', 0, 'lrs=1e-4,3e-4,1e-3 test=0.7 valid=0.6')=='set_test_0.7_valid_0.6_0'

def test_neighbours_stay_in_one_set(chips, tmp_path):
    tables = [planted(chips, tmp_path/f'{k}.csv', '--together', '7', '--fold', str(k)).sort_index() for k in range(4)]
    held = [df.index[df.split=='test'] for df in tables]
    assert sorted(o for ids in held for o in ids)==list(tables[0].index)
    blocks = np.arange(len(tables[0]))//7
    for df in tables:
        assert df.groupby(blocks).split.nunique(dropna=False).eq(1).all()
        assert df.groupby(blocks).group.nunique().eq(1).all() and df.group.nunique()==blocks[-1]+1
    assert run.set_column('elpv+together=60+fold=1', 0)!=run.set_column('elpv+fold=1', 0)

@pytest.mark.parametrize('knows', (False,True))
def test_a_teacher_has_not_seen_what_it_judges_and_marks_training_images_alone(chips, tmp_path, monkeypatch, knows):
    def features(df, *_): return (df.label=='defect').to_numpy(float)[:,None] if knows else np.eye(len(df))
    monkeypatch.setattr(plant, 'features', features)
    df = planted(chips, tmp_path/'t.csv', '--fold', '1', '--taught', 'efficientnet_lite2')
    plain = planted(chips, tmp_path/'plain.csv', '--fold', '1')
    dealt,_ = plant.prepare(tmp_path/'plain.csv', plant.replace(plant.QUICK, split_seed=3))
    assert df.split.to_dict()==dealt.set_index('id').split.to_dict() and set(df.index)==set(plain.index)
    assert (df.taught.notna()==(df.split=='train')).all()
    marks = df.taught.groupby(df.label).agg(['min','max'])
    assert marks.loc['good', 'max']<=.5<=marks.loc['defect', 'min'] # halfway to the label
    heard = 2*df.taught-(df.label=='defect') # what the teacher said
    if knows: assert heard[df.label=='defect'].min()>heard[df.label=='good'].max()
    else: assert heard.max()-heard.min()<.2 # nothing that tells one image from another

def test_drawn_chips_have_the_votes_that_a_training_asks_for(tmp_path):
    rows = run.stand_ins(grid(), tmp_path)
    voted = rows[rows.changes.str.contains('votes=')]
    assert len(voted)>4 and voted.changes.str.contains('votes=taught').all()
    assert voted.data.str.contains('taught=').all()
    others = rows.drop(voted.index)
    assert len(others) and not others.data.str.contains('taught=').any()

@pytest.mark.parametrize('quick', (False,True))
def test_stand_ins_of_two_sizes_are_one_training_and_real_sizes_are_two(tmp_path, quick):
    args = argparse.Namespace(quick=quick, device=None, threads=1)
    rows = grid().drop_duplicates('run')
    if quick: rows = run.stand_ins(rows, tmp_path)
    found = run.trainings(rows.to_dict('records'), args)
    assert sorted(o['run'] for alike in found for o in alike)==sorted(rows.run)
    if not quick: assert len(found)==len(rows)
    else:
        both = [alike for alike in found if {o['changes'] for o in alike}>={'sizes=224 epochs=24','epochs=24'}]
        assert len(both)==4 and all(len({o['data'] for o in alike})==1 for alike in both) # four folds, each its own

@pytest.mark.parametrize('quick', (False,True))
def test_a_grid_that_is_done_trains_nothing_more(tmp_path, quick):
    grid()[['run']].to_csv(tmp_path/'results.csv', index=False)
    assert run.missing(argparse.Namespace(quick=quick, out=tmp_path, only='', seeds=None))==[]

def test_each_change_of_the_stand_ins_is_trained_once_and_every_row_stays_on_its_split(tmp_path):
    rows = run.stand_ins(grid().drop_duplicates('run'), tmp_path)
    kept = run.once(rows)
    assert list(kept.run)==list(rows.run)
    own = lambda table: table.recipe+' '+table.changes.map(lambda o: ' '.join(run.own_changes(o, run.TINY.split())))
    assert set(own(rows))<=set(own(kept)) # no change is lost
    told = own(kept)[kept.changes.ne(rows.changes) | kept.recipe.ne(rows.recipe)]
    assert len(told)>100 and told.str.fullmatch(r'quick ((test|valid)=\S+ ?)*').all()
    split = lambda table: table.changes.str.findall(r'(?:test|valid)=\S+').str.join(' ')
    assert (split(kept)==split(rows)).all() and (kept.seed==rows.seed).all()
    source = lambda table: table.data.str.replace(r'\+taught=\w+', '', regex=True)
    assert (source(kept)==source(rows)).all()

def test_a_teacher_that_fails_leaves_no_table_without_its_marks(chips, tmp_path, monkeypatch):
    def features(*_): raise plant.UserError('no weights')
    monkeypatch.setattr(plant, 'features', features)
    assert plant.main([str(chips), '--taught', 'efficientnet_lite2', '--out', str(tmp_path/'t.csv')])==1
    assert not (tmp_path/'t.csv').exists()

@pytest.mark.parametrize('knows', (False,True))
def test_images_that_choose_are_judged_by_models_that_have_not_learnt_from_them(knows):
    labels = np.arange(60)%3==0
    spread = np.linspace(0, .1, 60) if knows else np.random.default_rng(1).normal(size=60)
    rows = np.c_[labels+spread, np.eye(60)[:,:0 if knows else 60]] # those of `np.eye` name one image each
    groups = np.arange(60)//6 if knows else np.arange(60)
    folds,new = linear.judged(rows, labels, groups, rows, seed=0)
    assert new[labels].min()>new[~labels].max() # one model of all has seen each of these
    if knows: assert folds[labels].min()>folds[~labels].max()
    else: assert roc_auc_score(labels, folds)<.85 # a name tells nothing, where no model has seen it

def test_copies_of_an_image_are_judged_by_models_that_have_seen_none_of_them():
    names,labels = np.repeat(np.eye(30), 2, axis=0),np.repeat(np.arange(30)%3==0, 2)
    together,_ = linear.judged(names, labels, np.repeat(np.arange(30), 2), names, seed=1)
    apart,_ = linear.judged(names, labels, np.arange(60), names, seed=1)
    assert roc_auc_score(labels, together)<.85 and roc_auc_score(labels, apart)>.97

def test_correlations_of_channels_are_those_of_numpy():
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    found = linear.correlations(maps)
    assert np.allclose(found, [np.corrcoef(o.flatten(1))[np.triu_indices(3, 1)] for o in maps], atol=1e-6)

def test_scores_keep_the_right_labels_of_a_planted_run(chips, tmp_path):
    df = planted(chips, tmp_path/'t.csv', '--noise', '0.3')
    folder = tmp_path/'run'
    folder.mkdir()
    df.reset_index().to_csv(folder/'table.csv', index=False)
    (folder/'run.json').write_text('{"recipe": {"split_seed": 3}}')
    for part in ('valid','test'):
        rows = df[df.split==part].reset_index().assign(p_defect=.5)
        rows.to_csv(folder/f'preds_{part}.csv', index=False)
    run.add_scores(tmp_path/'scores.parquet', dict(run='r', data='chips', seed=3), folder)
    kept = pd.read_parquet(tmp_path/'scores.parquet')
    assert kept.label.to_dict()==df.true_label.to_dict()!=df.label.to_dict()

def test_scores_of_every_run_are_kept_and_give_its_auc():
    from semiconductor_cls.auc import auc_ci
    scores,results = pd.read_parquet(HERE/'scores.parquet'),pd.read_csv(HERE/'results.csv')
    for row in results.itertuples():
        judged = scores.dropna(subset=row.run) # ids of two sources differ, so they share the column of sets
        test = judged[judged[run.set_column(row.data, row.split_seed, row.changes)]=='test']
        assert len(test)==row.n_good+row.n_defect
        assert abs(auc_ci(test.label=='defect', test[row.run])[0]-row.value)<1e-6

def test_claims_speak_of_arms_that_are_there():
    claims = pd.read_csv(HERE/'claims.csv')
    arms = {(o.experiment, o.arm) for o in grid().itertuples()}
    made = {('08_ensemble', o) for o in (*read.COMMITTEES, 'best on validation')}
    for side in ('arm','base'): assert set(zip(claims.experiment, claims[side])) <= arms|made
    assert not claims.duplicated(['experiment','claim']).any()

def test_a_committee_is_the_mean_of_its_members(tmp_path, monkeypatch):
    ids = [f'i{i}' for i in range(8)]
    scores = pd.DataFrame(dict(label=['good','defect']*4, set_0=['valid']*4+['test']*4), index=pd.Index(ids, name='id'))
    scores['a'] = [.1,.9,.2,.8,.1,.4,.3,.2]
    scores['b'] = [.9,.1,.8,.2,.2,.9,.1,.6]
    scores.to_parquet(tmp_path/'scores.parquet')
    pd.DataFrame(dict(run=['a','b'], data='elpv', split_seed=0)).to_csv(tmp_path/'results.csv', index=False)
    monkeypatch.setattr(read, 'DATA', tmp_path)
    assert read.mean_scores(['a','b']).score.tolist()==pytest.approx([.5,.5,.5,.5,.15,.65,.2,.4])
    monkeypatch.setattr(read, 'COMMITTEES', {'three lites':['x','y']})
    members = pd.DataFrame(dict(arm=['x','y'], run=['a','b'], seed=0, split_seed=0, value=[.5,1.],
                                device='cpu'))
    found = read.committees_of(members).set_index('arm').value
    assert found['three lites']==1. and found['best on validation']==.75

def test_what_to_expect_is_what_was_measured():
    shown = (HERE.parent.parent/'README.md').read_text(encoding='utf-8').split('## What to expect')[1].split('\n## ')[0]
    interval = r'(0\.\d+ \(0\.\d+ to 0\.\d+\))'
    figures = [re.search(f'{words} {interval}', read.far_sentence())[1]
               for words in ('AUC: the base', 'frozen stages of two, all 1,968,', 'makes of them has')]
    test = read.folds_of('10_beyond', 'test')
    auc,low,high = read.auc_ci(test.label=='defect', test['twice as long at 224 px'])
    module = re.search(f'the base has {interval}', read.module_sentence())[1]
    right = re.search(r'right on (\d+\.\d %) of the cells', read.far_sentence())[1]
    figures += [f'{auc:.3f} ({low:.3f} to {high:.3f})', module, f'{right} of the cells right']
    assert all(o in shown for o in figures), figures

def test_the_readme_shows_the_claims_as_they_are():
    shown = (HERE.parent.parent/'README.md').read_text(encoding='utf-8')
    assert read.readme_claims().replace('](experiments/', '](nbs/experiments/') in shown

def test_an_effect_over_folds_is_the_mean_of_its_pairs():
    arms = ('lite1, longer at 224 px','longer at 224 px')
    claims = dict(two=arms, one=('large batches, averaged, at 224 px','longer at 224 px')) # one seed tells no luck
    row, = read.table_on_folds('10_beyond', claims).itertuples()
    diffs = read.fold_diffs(read.results_of('10_beyond').query("data.str.contains('fold=')"), *arms)['diff']
    assert row.claim=='two' and row.pairs==len(diffs)==8
    assert row.diff==pytest.approx(diffs.mean(), abs=1e-6) and row.lo<row.diff<row.hi

def test_every_sentence_of_the_study_has_a_headline():
    claims = pd.read_csv(HERE/'claims.csv')
    assert set(claims.study[claims.headline=='yes'])==set(claims.study)

def test_pairs_of_two_kinds_of_machine_are_counted_apart():
    results = pd.DataFrame(dict(arm=['a']*3+['b']*3, seed=[0,1,2]*2, split_seed=[0,1,2]*2, value=[.9,.8,.7,.8,.8,.5],
                                device=['cpu','cpu','several','cpu','gpu','several']))
    assert read.alike(results, 'a', 'b').tolist()==pytest.approx([.1])
    shown = (HERE.parent.parent/'README.md').read_text(encoding='utf-8')
    assert '| Of them on one kind of machine |' in shown
    row = next(o for o in shown.splitlines() if o.startswith("| The study's whole recipe"))
    device = read.results_of('01_baseline').pivot(index='seed', columns='arm', values='device')
    same = (device.iloc[:,0]==device.iloc[:,1]).sum()
    assert f'| {same} |' in row or f'| {same}: ' in row

def test_few_pictures_are_told_with_their_splits():
    for name in ('README.md','CHANGELOG.md'):
        assert read.few_words() in (HERE.parent.parent/name).read_text(encoding='utf-8'), name

def test_the_interval_by_blocks_that_the_readme_types_is_that_of_the_scores():
    alone,together,block = read.dealt_both_ways()
    _,low,high = read.auc_ci(together.label=='defect', alone['quick'], groups=block)
    prose = (HERE.parent/'index.ipynb').read_text(encoding='utf-8')
    assert f'By blocks of neighbours that of `quick` in the second row is {low:.3f} to {high:.3f}.' in prose

def test_an_aim_within_an_interval_is_neither_reached_nor_missed():
    def said(*ends): return read.beside_aim(pd.Series(ends, ['lower','upper','least','most']))
    assert said(.944, .961, .880, .904)=='open'
    assert said(.951, .961, .880, .904)=='reached for the AUC and open for the accuracy'
    assert said(.900, .940, .800, .850)=='missed'

def test_an_answer_says_which_of_its_pairs_are_on_one_kind_of_machine():
    def said(alike, diff=np.nan):
        row = pd.Series(dict(pairs=5, alike=alike, alike_diff=diff, alike_lo=-.01, alike_hi=.02))
        return read.alike_words(row)
    assert said(5, .01)==', each on one kind of machine' and said(0)==', 0 of them on one kind of machine'
    assert said(3, .005)=='; the 3 on one kind of machine have +0.50 (-1.00 to +2.00)'
    assert said(4)==', 4 of them on one kind of machine' # where no effect of theirs is known

def test_a_committee_of_a_fold_has_seen_no_cell_that_it_judges(monkeypatch):
    valid,test = (read.folds_of('10_beyond', which).iloc[:,:4] for which in ('valid','test'))
    saw,cut = [],[]
    def greedy(truth, scores):
        saw.append(set(scores.index))
        return pd.Series(1/3, list(scores))
    def even_chance(scores, defect):
        cut.append(set(defect.index))
        return .5
    monkeypatch.setattr(read, 'greedy', greedy)
    monkeypatch.setattr(read, 'even_chance', even_chance)
    found = read.committee_by_fold(valid, test, 'chosen on validation')
    folds = test.index.unique('fold')
    assert found.index.equals(test.index) and saw==cut==[set(valid.loc[[k]].index) for k in folds]
    for k,chose in zip(folds, saw): assert not {o for _,o in chose} & set(test.loc[k].index)
    assert ((found.score>=.5)==(test.label=='defect')).equals(found.right)

def test_a_schedule_is_judged_by_its_epochs():
    counts = read.epochs_to_best('06_schedule')
    table = read.faster('06_schedule')[2].set_index('claim')
    saved = (counts.loc['constant']-counts.loc['one cycle']).mean()
    assert table.loc['one cycle needs fewer epochs than constant', 'diff']==pytest.approx(saved)

def test_a_worker_stays_and_one_that_dies_is_replaced(tmp_path):
    def call(*words): return run.in_worker(['python', 'nbs/experiments/plant.py', *words], tmp_path/'log')
    def worker(): return run.OWN.worker.submit(os.getpid).result()
    assert call('--help')==0
    pid = worker()
    assert call('nowhere', '--noise', '.1', '--out', str(tmp_path/'o.csv'))==1 and worker()==pid
    assert 'nowhere' in (tmp_path/'log').read_text()
    for source,ended in (('2+2', 0), ('1/0', 1)): # a notebook leaves the worker as it was
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), tmp_path/'asks.ipynb')
        assert run.in_worker(['notebook', tmp_path/'asks.ipynb', tmp_path/'told.ipynb'], tmp_path/'log')==ended
        assert worker()==pid
    assert nbformat.read(tmp_path/'told.ipynb', 4).cells[0].outputs[0].data['text/plain']=='4'
    assert 'ZeroDivisionError' in (tmp_path/'log').read_text()
    os.kill(pid, signal.SIGKILL)
    assert call('--help')==1
    assert call('--help')==0 and worker()!=pid
    run.OWN.worker.shutdown()

def test_trainings_at_the_same_time_have_workers_and_streams_of_their_own(tmp_path):
    def call(name):
        words = ['python', 'nbs/experiments/plant.py', name, '--noise', '.1', '--out', str(tmp_path/'o.csv')]
        ended,pid = run.in_worker(words, tmp_path/name, quick=True),run.OWN.worker.submit(os.getpid).result()
        run.OWN.worker.shutdown()
        return ended, pid, (tmp_path/name).read_text()
    with ThreadPoolExecutor(2) as pool: (one,pid,said),(two,other,heard) = pool.map(call, ('nowhere','elsewhere'))
    assert one==two==1 and pid!=other
    assert 'nowhere' in said and 'elsewhere' not in said and 'elsewhere' in heard and 'nowhere' not in heard

GRID = """import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
import run
place = Path(sys.argv[2])
if __name__=='__main__': run.in_worker(['semicls','synth',str(place/'drawn'),'--scale','1'], place/'log')
"""

def test_no_training_outlives_the_grid(tmp_path):
    (tmp_path/'grid.py').write_text(GRID)
    parent = subprocess.Popen([sys.executable, tmp_path/'grid.py', HERE, tmp_path])
    wait_for((tmp_path/'drawn').exists, parent)
    below = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    assert below and psutil.wait_procs(below, timeout=PATIENCE)[1]==[]

def test_what_a_threshold_out_of_fold_costs_is_as_the_notebook_of_folds_says():
    rng,overkill = np.random.default_rng(0),[]
    valid,test = (read.folds_of('10_beyond', which) for which in ('valid','test'))
    for fold in valid.index.unique('fold'):
        v,t = valid.loc[fold],test.loc[fold]
        for _ in range(8): # draws of five networks, and of the one that has not seen each picture
            five = rng.choice(list(valid)[1:], 5, replace=False)
            of_one,decided = v[five].to_numpy()[np.arange(len(v)), rng.integers(0, 5, len(v))],t[five].mean(axis=1)
            cuts = [threshold_by_rate(v.label=='defect', p, escape=.1) for p in (of_one, v[five].mean(axis=1))]
            does = [rates(t.label=='defect', decided, cut) for cut in cuts]
            overkill.append([o['overkill_rate'] for o in does])
    told = [f'{100*o:.1f} %' for o in np.mean(overkill, axis=0)]
    assert told==['37.7 %','26.9 %']
    prose = (HERE.parent/'52_jobs.folds.ipynb').read_text(encoding='utf-8')
    assert f'costs {told[0]} overkill' in prose and f'it costs {told[1]}' in prose

@pytest.mark.slow
def test_every_notebook_runs_on_stand_ins(tmp_path):
    words = [sys.executable, str(HERE/'run.py'), '--quick', '--show', '--runs', str(tmp_path), '--out', str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS='1'))
    assert done.returncode==0, done.stderr
    made = sorted(o.name for o in tmp_path.glob('*.ipynb'))
    assert made==sorted(o.name for o in HERE.glob('[0-9]*.ipynb'))
    assert all(nbformat.read(tmp_path/o, 4).cells for o in made)
