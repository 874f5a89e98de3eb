"Guards one decision: report, card, table, bundle, station and maps state the same one, however often it is made"
import csv, hashlib, re, shutil, subprocess, sys
from collections import Counter
from pathlib import Path
import numpy as np, pytest
from browser import Inspector, answered, drop, files_of, press, waits
from conftest import Server, draw, journal_of, score_table, scored_run
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.run import open_run
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.evaluate import evaluate_run, rates
from semiconductor_cls.operate import Line
from semiconductor_cls.review import operate_run
from semiconductor_cls.station.station import digits

EVALUATIONS = [['--escape-cost','1','--overkill-cost','1','--defect-rate','.4'],
               ['--escape-cost','3','--overkill-cost','1','--defect-rate','.3','--looks','.3'],
               ['--escape-cost','200','--overkill-cost','.5','--defect-rate','.02']]
PRINTED = r'at threshold ([\d.e-]+)|rejected from ([\d.e-]+), looked at from ([\d.e-]+)'

def printed(text):
    "The decision in a headline, (look from, reject from), as it is rounded there"
    one,hi,lo = re.search(PRINTED, text).groups()
    return (one,one) if one else (lo,hi)

def on_card(text):
    "The decision in the table of a model card, as it is rounded there"
    hi,lo = re.search(r'`reject` from ([\d.e-]+)(?:, `look` from ([\d.e-]+))?, else', text).groups()
    return float(lo or hi),float(hi)

FIRST = 'id path p_defect decision model note'.split()

def run_script(path, files):
    "The rows that the `score.py` of a bundle prints"
    done = subprocess.run([sys.executable, '-I', path, *files], capture_output=True, text=True)
    assert done.returncode==0, done.stderr
    return list(csv.reader(done.stdout.splitlines()))

@pytest.fixture
def told(monkeypatch, capsys):
    "Run `semicls ARGS` in this process; what it printed as its result, and as its `err` what else it said"
    from semiconductor_cls.cli import main
    def run(*args):
        monkeypatch.setattr('sys.argv', ['semicls', *map(str, args)])
        with pytest.raises(SystemExit) as done: main()
        said = capsys.readouterr()
        assert not done.value.code, said.err
        run.err = said.err
        return said.out
    return run

def test_everything_states_the_last_decision(runs, trained, told, tmp_path):
    for package in ('onnx','onnxscript','onnxruntime'): pytest.importorskip(package)
    from semiconductor_cls.line.explain import explain_run
    from semiconductor_cls.line.export import export_run
    from semiconductor_cls.line.score import open_scorer
    from semiconductor_cls.station.station import Station
    run = open_run(runs/'a', trained/'parts')
    export_run(run)
    test = read_csv(run/'preds_test.csv')
    (tmp_path/'in.txt').write_text('\n'.join(map(str, run.located(test).path)))
    seen = []
    for options in EVALUATIONS:
        out = told('evaluate', runs/'a', *options)
        cuts = run.decision
        seen.append(cuts.id)
        rounded = tuple(f'{o:.4g}' for o in cuts)
        page,card = ((run/name).read_text() for name in ('report.html','export/MODEL_CARD.md'))
        assert printed(out)==printed(page)==rounded
        # the numbers of the decision, counted once more from the scores
        want = rates(test.label=='defect', test.p_defect, cuts.hi, lo=cuts.lo)
        m,manifest = read_json(run/'metrics.json'),read_json(run/'export/manifest.json')
        assert (m['look_from'], m['threshold'])==tuple(manifest['cuts'])==cuts
        for k in ('n_escapes','n_overkills'): assert m[k]==manifest['metrics'][k]==want[k]
        for k in ('escapes','overkill'):
            assert m[k] in card and m[k].replace('<','&lt;').replace('>','&gt;') in page and m[k] in out
        assert on_card(card)==tuple(float(f'{o:.4g}') for o in cuts)
        assert cuts.id in card and manifest['decision_id']==cuts.id
        # who scores
        for o in (open_scorer(runs/'a', 'torch'), open_scorer(runs/'a', 'export'), open_scorer(runs/'a/export')):
            assert tuple(o.cuts)==cuts
        station = Station(runs/'a', tmp_path/'verdicts')
        assert (station.lo, station.threshold)==cuts
        told('predict', runs/'a', tmp_path/'in.txt', '--out', tmp_path/'scores.csv')
        scores = read_csv(tmp_path/'scores.csv')
        words = np.select([scores.p_defect>=cuts.hi, scores.p_defect>=cuts.lo], ['reject','look'], 'pass')
        judged = scores.note.isna()
        assert judged.any() and (scores.decision==words)[judged].all()
        traced = scores[['threshold','engine','decision_id','model']].drop_duplicates().values.tolist()
        assert traced==[[cuts.hi, 'onnxruntime', cuts.id, f'a@{run.weights_id}']]
        assert scores.scored_at.nunique()==1 and scores.columns[:6].tolist()==FIRST
        script = run_script(run/'export/score.py', scores.path[:2])
        assert script[0]=='path p_defect decision note threshold model engine scored_at decision_id'.split()
        for o,want in zip(script[1:], scores.itertuples()):
            wanted = [want.path, want.decision, str(cuts.hi), want.model, 'onnxruntime', cuts.id]
            assert [o[0], o[2], *o[4:7], o[8]]==wanted
        assert station.origin==('torch', cuts.id)
        said = explain_run(run)
        assert (said['look_from'], said['threshold'], said['decision_id'])==(*cuts, cuts.id)
    assert len(set(seen))==3
    history = run.decisions
    assert [o['id'] for o in history][-3:]==seen and history[0]['rule']=='youden'
    assert all(o['who'] and o['time'] and o['why'] for o in history)
    assert 'semicls evaluate' in history[-1]['command'] and '--escape-cost 200' in history[-1]['command']
    # maps of an earlier decision are not shown
    assert 'were made at an earlier decision' not in (run/'report.html').read_text()
    told('evaluate', runs/'a', *EVALUATIONS[0])
    assert 'were made at an earlier decision' in (run/'report.html').read_text()

def table_below(page, heading):
    "Rows of the first table below a heading of a page, without its head"
    table = page.split(f'{heading}</h2>')[1].split('</table>')[0]
    return table.split('<tbody>')[-1].count('<tr')

def of_station(page):
    "What the first page of a station states: where its threshold stands, and the rates below it"
    page.wait_for_selector('#rates')
    return float(page.input_value('#slider input[type=number]')), page.locator('#rates').inner_text()

@pytest.fixture
def roc_marks(monkeypatch):
    "The marks of the last ROC curve that was drawn: `(overkill, caught)` in percent, the threshold's first"
    from semiconductor_cls import evaluate
    axes,plot = [],evaluate.plot_roc
    def seen(*args, **kw):
        axes.append(plot(*args, **kw))
        return axes[-1]
    monkeypatch.setattr(evaluate, 'plot_roc', seen)
    def marks(): return [o.get_xydata()[0].tolist() for o in axes[-1].lines if o.get_label().split()[0] in CUTS]
    return marks

CUTS = 'threshold','rejected','looked' # The first word of what the legend says of a mark

def on_curve(m, pre=''):
    "Where a decision stands in the figure, by the rates of `metrics.json`"
    return [100*m[f'{pre}overkill_rate'], 100*(1-m[f'{pre}escape_rate'])]

def squares_of(page):
    "The squares of the search: (word of the machine, word of the person) → parts"
    page.get_by_role('tab', name='Search').click()
    page.wait_for_selector('.squares')
    cells = page.locator('.squares [data-verdict]').all()
    found = {(o.get_attribute('data-machine'), o.get_attribute('data-verdict')):int(o.inner_text()) for o in cells}
    return {k:n for k,n in found.items() if n}

def judged_two(page, s, files):
    "Drop the files, pass the first part and reject the second; what was said of each, by its hash"
    drop(page, files, f'{len(files)} pictures scored')
    waits(page, len(files))
    for key in 'pr': press(page, key)
    answered(page)
    return journal_of(s).set_index('sha256').verdict.to_dict()

def test_page_and_station_state_the_numbers_of_the_last_decision(runs, trained, told, chrome, roc_marks):
    files = [o for label in ('good','defect') for o in files_of(trained, label, 0, 4)]
    (runs.parent/'in.txt').write_text('\n'.join(files))
    for k,options in enumerate(EVALUATIONS[1:]): # with a review band, and without
        told('evaluate', runs/'a', *options)
        m,point = (read_json(runs/'a'/name) for name in ('metrics.json','operating.json'))
        page = (runs/'a/report.html').read_text()
        assert f"{point['cost']:,.0f}" in page.split('</h2>')[0], 'the first sentence'
        assert table_below(page, 'All mistakes')==m['n_escapes']+m['n_overkills']
        marks = roc_marks()
        assert marks[0]==pytest.approx(on_curve(m)) and len(marks)==1+(m['look_from']<m['threshold'])
        told('predict', runs/'a', runs.parent/'in.txt', '--out', runs.parent/'scores.csv')
        machine = {sha256_of(o.path):o.decision for o in read_csv(runs.parent/'scores.csv').itertuples()}
        with Server(runs.parent, '--verdicts', f'said{k}', run='a') as s:
            desk = Inspector(chrome, s.url, 'Ann').page
            at,rates_there = of_station(desk)
            said = judged_two(desk, s, files)
            squares = squares_of(desk)
            s.quiet()
        assert at==float(digits(m['threshold'])), 'as the page shows a threshold; left so, it means the exact one'
        for rate in (m['escapes'], m['overkill']): # '20 % (2 of 10; 2.5 to 56 %)' is two lines there
            assert all(o in rates_there for o in rate.removesuffix(')').split(' (')), (rate, rates_there)
        assert sorted(said.values())==['pass','reject'] and len(machine)==len(files)
        assert squares==Counter((word, said.get(h, 'none')) for h,word in machine.items())

def sha256_of(path): return hashlib.sha256(Path(path).read_bytes()).hexdigest()

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "Runs of scores that have decided 0, 1, 2 and 3 times, made once"
    place = tmp_path_factory.mktemp('decided')
    scored_run(place/'0', *(score_table(*draw(60, 240, seed=i), pre) for i,pre in enumerate('vt')))
    for i in range(3):
        shutil.copytree(place/f'{i}', place/f'{i+1}')
        operate_run(open_run(place/f'{i+1}'), Line(.01, 10*(i+1), 1), command=f'the {i+1}. time')
    return place

@pytest.fixture
def decided(made, tmp_path):
    "A copy of a run that has decided `n` times"
    def f(n=1): return open_run(shutil.copytree(made/f'{n}', tmp_path/'r'))
    return f

def test_a_person_s_decision_outlives_an_evaluation(decided):
    run = decided()
    made = run.decision
    m = evaluate_run(run, 20)
    assert (run.decision.id, m['threshold'], m['threshold_rule'])==(made.id, made.hi, 'cost')

def test_a_run_of_before_opens_and_its_decision_becomes_the_first(decided):
    run = decided()
    (run/'decisions.jsonl').unlink()
    old = read_json(run/'operating.json')['threshold']
    assert run.decision==(old,old) and run.decision.id==''
    operate_run(run, Line(.2, 1, 1))
    assert [o['hi'] for o in run.decisions]==[old, run.decision.hi] and run.decision.id

@pytest.mark.parametrize('hurt', ['line','order','word','cut'])
def test_a_history_that_was_changed_is_refused(decided, hurt):
    run = decided(3)
    path = run/'decisions.jsonl'
    lines = path.read_text().splitlines(keepends=True)
    changed = dict(line=lines[:1]+lines[2:], order=lines[::-1], cut=[*lines[:2], lines[2][:20]],
                   word=[lines[0], lines[1].replace('the 2. time', 'the 5. time'), lines[2]])
    path.write_text(''.join(changed[hurt]))
    with pytest.raises(UserError, match=r'decisions.jsonl: line \d is not the decision that was written'): run.decision

def test_a_finished_run_knows_the_hash_of_its_history(decided):
    run = decided(3)
    run.finish()
    path = run/'decisions.jsonl'
    path.write_text(''.join(path.read_text().splitlines(keepends=True)[:2])) # each line is whole, the last is gone
    with pytest.raises(UserError, match='decisions.jsonl: differs from what was written'): run.decision

def test_a_model_that_costs_more_than_none_says_so_first(tmp_path):
    from semiconductor_cls.jobs.report import headline, run_report
    y,p = draw(60, 240, gap=.1, seed=3)
    run = scored_run(tmp_path/'r', score_table(y, p, 'v'), score_table(*draw(60, 240, gap=-2., seed=4), 't'))
    point = operate_run(run, Line(.5, 1, 1))
    assert point['cost']>min(point['baselines'].values()) and not point['pays']
    assert headline(read_json(run/'metrics.json'), point).startswith('This model costs ')
    assert set(point['baselines'])=={'pass all','scrap all','look at all'}
    assert 'This model costs ' in run_report(run).read_text()

def test_a_look_has_the_price_and_the_misses_that_a_person_gives(decided, told):
    run = decided()
    given = '--look-cost .02 --human-miss .3 --currency CHF --looks .2 --defect-rate .01 --escape-cost 90'.split()
    told('evaluate', run.path, *given)
    point,page = read_json(run/'operating.json'),(run/'report.html').read_text()
    assert point['review']['human_miss']==.3 and point['line']['look_price']==.02
    assert point['baselines']['look at all']==pytest.approx(1e6*(.01*.3*90+.02))
    assert 'CHF per million' in page and '€ per million' not in page
    assert 'the 1. time' in page and '--look-cost .02 --human-miss .3 --currency CHF' in page # how to repeat it

def test_prices_that_look_swapped_are_said(decided):
    said,run = [],decided(0)
    for prices in ((100,1), (1,100)): operate_run(run, Line(.01, *prices), tell=said.append)
    warned, = [o for o in said if o.endswith('swapped?')]
    assert 'an escape (1 €)' in warned and '(100 €)' in warned

# ---- an evaluation that was stopped, and prices that are not given again

def test_an_evaluation_that_was_stopped_is_named_and_its_figures_go_nowhere(runs, told, monkeypatch):
    pytest.importorskip('onnx')
    from semiconductor_cls import review
    from semiconductor_cls.line.export import export_run
    from semiconductor_cls.line.score import open_scorer
    run,said = open_run(runs/'a'),[]
    told('evaluate', run.path, *EVALUATIONS[0])
    assert 'may be of an earlier decision' not in (run/'report.html').read_text()
    def stop(*_, **kw): raise KeyboardInterrupt
    with monkeypatch.context() as mp:
        mp.setattr(review, 'evaluate_run', stop)
        with pytest.raises(KeyboardInterrupt): operate_run(run, Line(.02, 200, .5))
    assert not run.is_measured and 'may be of an earlier decision' in (run/'report.html').read_text()
    with pytest.raises(UserError, match='stopped before it had measured'): export_run(run, overwrite=True)
    assert open_scorer(run.path, 'torch', said.append).cuts==run.decision
    assert [o for o in said if 'stopped before it had measured' in o]
    told('evaluate', run.path)
    assert run.is_measured and 'may be of an earlier decision' not in (run/'report.html').read_text()
    export_run(run, overwrite=True)

@pytest.mark.parametrize('step', ['evaluate_run','_draw_operating'])
def test_a_page_made_anew_after_an_evaluation_that_was_stopped_keeps_its_warning(runs, told, monkeypatch, step):
    from semiconductor_cls import review
    from semiconductor_cls.jobs.committee import renew_report
    run = open_run(runs/'a')
    told('evaluate', run.path, *EVALUATIONS[0])
    def stop(*_, **kw): raise KeyboardInterrupt
    with monkeypatch.context() as mp:
        mp.setattr(review, step, stop)
        with pytest.raises(KeyboardInterrupt): operate_run(run, Line(.02, 200, .5))
    assert not run.is_measured
    page = renew_report(run).read_text() # as bench and explain do
    assert page.count('may be of an earlier decision')==1 and run.decision.id not in page
    told('evaluate', run.path)
    assert run.is_measured and 'may be of an earlier decision' not in renew_report(run).read_text()

@pytest.mark.parametrize('changed', [dict(human_miss=.11), dict(line=Line(.02, 200, .5, look_price=.11))])
def test_a_stop_counts_though_the_cuts_stay(runs, monkeypatch, changed):
    "Only what people miss or cost has changed: the page and the figures were of before, and passed for measured"
    from semiconductor_cls import review
    run,given = open_run(runs/'a'),dict(line=Line(.02, 200, .5, look_price=.1), looks=.2)
    operate_run(run, **given)
    before = run.decision
    def stop(*_, **kw): raise KeyboardInterrupt
    with monkeypatch.context() as mp:
        mp.setattr(review, '_draw_operating', stop)
        with pytest.raises(KeyboardInterrupt): operate_run(run, **given | changed)
    assert run.decision==before and not run.is_measured
    operate_run(run, **given | changed)
    assert run.decision==before and run.is_measured

def test_prices_are_given_once(runs, told):
    run = open_run(runs/'a')
    told('evaluate', run.path, *EVALUATIONS[2])
    first,line = run.decision,run.read('operating.json')['line']
    told('evaluate', run.path, '--parts-a-month', '50000')
    again = run.read('operating.json')
    assert tuple(run.decision)==tuple(first)
    assert again['line']==line | dict(parts_a_month=50_000.) and again['asked']['assumed']==[]
    page = (run/'report.html').read_text()
    assert 'At your prices' in page and 'a month, at most' in page
    told('evaluate', run.path, '--escape-cost', '1')
    assert run.read('operating.json')['line']==line | dict(parts_a_month=50_000., escape_price=1.)

def test_prices_that_nobody_gave_are_said(runs, told):
    run = open_run(runs/'a')
    told('evaluate', run.path, '--defect-rate', '.3')
    assert run.read('operating.json')['asked']['assumed']==['escape_price','overkill_price']
    page = (run/'report.html').read_text()
    assert '100 € an escape, 1 € a good part scrapped: assumed' in page and 'At your prices' not in page

def test_what_looks_cost_is_said_where_nobody_gave_it(runs, told):
    run = open_run(runs/'a')
    told('evaluate', run.path, '--looks', '0', '--escape-cost', '100', '--overkill-cost', '1', '--defect-rate', '.01')
    told('evaluate', run.path, '--looks', '.3')
    said = told.err
    assert 'assumed, because not given: --look-cost, --human-miss' in said, said
    page = (run/'report.html').read_text()
    assert '0.1 € a look: assumed' in page
    told('evaluate', run.path, '--human-miss', '.1', '--look-cost', '.2')
    said = told.err
    assert 'assumed' not in said, said
    told('evaluate', run.path, '--looks', '0')
    said = told.err
    assert 'assumed' not in said, said

def test_a_limit_ends_by_a_price_and_not_by_a_rate_and_that_is_said(runs, told):
    run = open_run(runs/'a')
    told('evaluate', run.path, '--looks', '0', '--max-overkill', '.5')
    told('evaluate', run.path, '--defect-rate', '.02')
    said = told.err
    assert '--max-overkill' in said.split('as in the decision that stands: ')[1], said
    assert run.read('operating.json')['rule']=='overkill below 0.5'
    told('evaluate', run.path, '--escape-cost', '70')
    said = told.err
    assert 'no longer: --max-overkill' in said and run.read('operating.json')['rule']=='cost', said

def test_people_who_would_not_look_are_not_claimed(runs, told):
    run = open_run(runs/'a')
    told('evaluate', run.path, '--looks', '.2', '--look-cost', '1e6')
    said = told.err
    assert 'nobody looks' in said and run.decision[0]==run.decision[1], said
    assert 'people' not in run.decisions[-1]['why']
    told('evaluate', run.path, '--looks', '0', '--look-cost', '.1')

def test_a_history_that_was_deleted_is_missed(runs, told):
    from semiconductor_cls.line.score import open_scorer
    run = open_run(runs/'a')
    told('evaluate', run.path, *EVALUATIONS[0])
    kept = (run/'decisions.jsonl').read_bytes()
    (run/'decisions.jsonl').unlink()
    gone = 'decisions.jsonl: no such file, though run.json says'
    with pytest.raises(UserError, match=gone): open_scorer(run.path, 'torch')
    told('evaluate', run.path)
    said = told.err
    assert 'is gone; another history begins' in said and 'assumed, because not given' in said, said
    assert 0<len((run/'decisions.jsonl').read_bytes())<len(kept)

def test_an_open_station_follows_a_new_decision(runs, told, tmp_path):
    pytest.importorskip('gradio')
    from semiconductor_cls.station.station import Station
    run = open_run(runs/'a')
    told('evaluate', run.path, *EVALUATIONS[0])
    st = Station(run, tmp_path/'verdicts')
    before = run.decision
    assert (st.t, st.origin[1])==(before.hi, before.id)
    told('evaluate', run.path, *EVALUATIONS[2])
    now = run.decision
    assert now.id!=before.id
    assert (st.t, st.lo, st.origin[1])==(now.hi, now.lo, now.id)

@pytest.mark.parametrize('put', ['another','nothing'])
def test_a_station_takes_no_decision_for_another_model(runs, tmp_path, put):
    "Its run was trained anew with `--overwrite`, or its folder was renamed"
    pytest.importorskip('gradio')
    from semiconductor_cls.station.line import beside
    from semiconductor_cls.station.station import Station
    st = Station(runs/'a', tmp_path/'verdicts')
    before = st.t,st.origin
    (runs/'a').rename(runs/'old')
    if put=='another':
        shutil.copytree(runs/'b', runs/'a')
        open_run(runs/'a').decide(.1, .2, 'by hand')
    assert (st.t, st.origin)==before
    with pytest.raises(UserError, match='holds a@.* no more'): beside(st)

def test_a_decision_that_is_made_while_a_station_starts_counts(runs, tmp_path, monkeypatch):
    pytest.importorskip('gradio')
    from semiconductor_cls.station import station as room
    look = room.open_index
    def slow(run, *args):
        run.decide(.1, .2, 'by hand')
        return look(run, *args)
    monkeypatch.setattr(room, 'open_index', slow)
    assert room.Station(runs/'a', tmp_path/'verdicts').t==.2

def test_no_band_is_one_threshold_with_one_bound(runs, told):
    run = open_run(runs/'a')
    told('evaluate', run.path, '--looks', '0', '--escape-cost', '100', '--overkill-cost', '1', '--defect-rate', '.01')
    alone = run.read('operating.json')
    told('evaluate', run.path, '--looks', '.2', '--look-cost', '1e6')
    empty = run.read('operating.json')
    assert 'review' not in empty and empty['threshold']==alone['threshold']
    for name in ('cost','cost_hi','per_million'): assert empty[name]==alone[name], name
    assert 'People would look' not in (run/'report.html').read_text()
    told('evaluate', run.path, '--looks', '0', '--look-cost', '.1')
