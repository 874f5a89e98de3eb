"The station knows what `predict` and `evaluate` say, gives verdicts back, and refuses in one line"
import hashlib
from pathlib import Path
import numpy as np, pytest
from fastcore.basics import noop
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from starlette.testclient import TestClient
from conftest import free_port
from hostile import chip, saved
from semiconductor_cls.station.station import Station
from semiconductor_cls.station.page import make_app
from semiconductor_cls.station.tray import put_on, rescore, score_one, take_in
from semiconductor_cls.station.desk import desk_view, judge, new_desk, rates_at, rates_html, undo_last
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.run import open_run
from semiconductor_cls.base.table import read_csv, write_csv
from semiconductor_cls.evaluate import evaluate_run
from semiconductor_cls.source import read_source
from semiconductor_cls.station.verdicts import export_verdicts, waiting

pytestmark = pytest.mark.usefixtures('one_thread')

def test_scores_are_those_of_predict_and_committees_serve(place, tmp_path):
    for n in ('a','both'):
        run = place/'runs'/n
        station = Station(run, tmp_path/n)
        want = read_csv(run/'preds_test.csv').head(12)
        take_in(station, 'd', list(zip(want.path, want.id)))
        got = station.v.read('select name, score from seen').set_index('name').score
        assert np.abs(got[want.id].to_numpy()-want.p_defect.to_numpy()).max()<1e-5
    assert (place/'runs/both/station.npz').exists()

def test_rates_are_those_of_evaluate(place, tmp_path):
    station = Station(place/'runs/both', tmp_path/'v')
    p = read_csv(place/'runs/both/preds_valid.csv')
    for t in (0, .2, station.threshold, .8, 1):
        escapes = ((p.label=='defect') & (p.p_defect<t)).sum()
        overkills = ((p.label=='good') & (p.p_defect>=t)).sum()
        told = rates_at(station, t)
        assert told.escapes['valid'].count(f'({escapes} of')
        assert told.overkill['valid'].count(f'({overkills} of')

def at_a_band(runs, groups):
    "A run with the review band 0.3 to 0.6; its pictures belong together in threes if `groups`"
    run = open_run(runs/'a')
    table = read_csv(run/'table.csv')
    each = table.groupby(['split','label'])
    if groups: table['group'] = 1000*each.ngroup() + each.cumcount()//3
    write_csv(table, run/'table.csv')
    for name in ('valid','test'):
        df = read_csv(run/f'preds_{name}.csv')
        write_csv(df.assign(p_defect=np.linspace(.05, .95, len(df)).round(3)), run/f'preds_{name}.csv')
    run.update(files={}) # the hashes of before
    run.decide(.3, .6, 'by hand')
    return run

@pytest.mark.parametrize('groups', [False,True])
def test_rates_of_a_band_and_of_groups_are_those_of_evaluate(runs, tmp_path, groups):
    run = at_a_band(runs, groups)
    said = evaluate_run(run, n_boot=20)
    station = Station(run, tmp_path/'v')
    assert (said['look_from'],said['threshold'])==(.3,.6)==(station.lo,station.t)
    assert said['n_looks']>3 and (' groups' in said['escapes'])==groups
    told = rates_at(station, station.t).loc[said['reported_on']]
    assert told.to_dict()=={o:said[o] for o in ('escapes','overkill')}
    assert all(o.split(' (')[0].replace('<', '&lt;') in rates_html(station, station.t) for o in told)
    run.decide(.3, .8, 'by hand')
    moved = evaluate_run(run, n_boot=20)
    assert rates_at(station, .8).loc[said['reported_on']].escapes==moved['escapes'], 'moved at the station'

def test_verdicts_come_back_as_training_data(place, tmp_path):
    station,who = Station(place/'runs/both', tmp_path/'v'),'=Ann, "A"'
    take_in(station, 'd', [(saved(chip(i)), f'{i}.png') for i in range(4)])
    desk = new_desk()
    for verdict in ('pass','reject','look','pass'):
        desk = desk_view(station, desk, 'd', .5)[0]
        desk = judge(station, desk, 'd', who, .5, desk['hash'], verdict)
    df = read_source(export_verdicts(station.v))
    assert sorted(df.label.fillna('none'))==['defect','good','good','none']
    assert [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in df.path]==df.sha256.tolist()
    assert set(df.who)=={who}

REFUSED = [(['--host','0.0.0.0'], '--token'), (['--host','0.0.0.0','--token','short'], '12 characters'),
           (['--user','ann'], 'NAME:PASSWORD'), (['--role','boss'], 'one of operator, engineer'),
           (['--folders','nowhere'], 'no such folder'),
           (['--window','3'], 'at least 30')]

@pytest.mark.parametrize('args,want', REFUSED)
def test_refusals_are_one_line(place, tmp_path, args, want, monkeypatch):
    from typer.testing import CliRunner
    from semiconductor_cls.cli import app
    monkeypatch.chdir(tmp_path)
    serve = ['serve', str(place/'runs/both'), '--port', str(free_port()), '--no-browser']
    e = CliRunner().invoke(app, [*serve, *args]).exception
    assert isinstance(e, UserError), e
    assert want in str(e) and '\n' not in str(e)

# ---- a model goes and comes back, and people whose names are typed in two ways

DESK = '0'*16

@pytest.fixture
def judged(place, runs, tmp_path):
    "A station with six parts at a desk, and the same with another model"
    st = Station(place/'runs/a', tmp_path/'v')
    files = [(str(o), o.name) for o in sorted((place/'parts').rglob('*.bmp'))[:6]]
    hashes,_ = take_in(st, DESK, files)
    return st, put_on(st, runs/'b', 'Eve'), hashes

def test_a_model_that_is_put_back_scores_once_what_waits(place, judged):
    "The whole queue was once scored anew at each page load, for ever"
    a,b,hashes = judged
    assert rescore(b, noop)==0, 'put_on has done it'
    judge(b, new_desk(), DESK, 'Ann', b.t, hashes[0], 'pass')
    again = put_on(b, place/'runs/a', 'Eve')
    assert [rescore(again, noop) for _ in range(3)]==[0,0,0]
    assert set(waiting(again.v, again.model, DESK, again.t).hash)==set(hashes[1:])
    for run in (b.run, a.run, b.run): # and so on
        again = put_on(again, run, 'Eve')
        assert rescore(again, noop)==0 and len(waiting(again.v, again.model, DESK, .5))==5

def test_undo_says_what_stands_about_the_score_of_another_model(judged):
    a,b,hashes = judged
    judge(a, new_desk(), DESK, 'ada', a.t, hashes[0], 'reject')
    with pytest.raises(UserError, match=f'^nothing to take back: reject of ada about .* was said with {a.model}, and'):
        undo_last(b, new_desk(), 'ada')
    assert undo_last(a, new_desk(), 'Ada')[0]['hash']==hashes[0], 'with its own model it is taken back'
    with pytest.raises(UserError, match='no verdict of ada stands'): undo_last(b, new_desk(), 'ada')

def test_a_verdict_is_taken_back_after_the_run_was_renamed(place, runs, tmp_path):
    "It was refused as about the score of another model, though the weights are the same"
    st = Station(runs/'a', tmp_path/'v')
    hashes,_ = take_in(st, DESK, [(str(o), o.name) for o in sorted((place/'parts').rglob('*.bmp'))[:3]])
    judge(st, new_desk(), DESK, 'Ann', st.t, hashes[1], 'reject')
    (runs/'a').rename(runs/'renamed')
    st = Station(runs/'renamed', tmp_path/'v')
    rescore(st, noop) # as each start does
    state,said = undo_last(st, new_desk(), 'Ann')
    assert said.startswith('Taken back: reject') and state['hash']==hashes[1]
    assert waiting(st.v, st.model, DESK, st.t).hash[0]==hashes[1], 'in front of the others'
    view = desk_view(st, state, DESK, st.t)
    assert f'data-hash="{hashes[1]}"' in view[1] and 'class="score"' in view[2]
    judge(st, state, DESK, 'Ann', st.t, hashes[1], 'pass')

def test_nobody_finds_a_second_look_that_they_may_not_give(judged):
    "ada found Ada's part among the second looks, and was refused there"
    a,_,hashes = judged
    for asked,finds in (('Ada','ada'), ('J\u00f6rg','jo\u0308RG')):
        h = hashes.pop()
        judge(a, new_desk(), DESK, asked, a.t, h, 'look')
        assert h not in waiting(a.v, a.model, None, a.t, who=finds).hash.tolist()
        assert h in waiting(a.v, a.model, None, a.t, who='Ben').hash.tolist()

def test_every_score_after_a_move_leads_to_who_moved_it(place, tmp_path):
    "It carried the id of the run's decision once, which has another threshold"
    st = Station(place/'runs/a', tmp_path/'v')
    files = sorted((place/'parts').rglob('*.bmp'))[:3]
    hashes,_ = take_in(st, DESK, [(str(o), o.name) for o in files])
    shown = st.t
    for t in (.2, 1.5e-8): st.move('Eve', t)
    said = score_one(st, files[0].read_bytes())
    for h,t in zip(hashes, (st.t, .2, shown)): judge(st, new_desk(), DESK, 'Ann', t, h, 'pass')
    table = read_csv(export_verdicts(st.v).with_name('moves.csv')).set_index('decision_id')
    assert table.loc[said['decision_id'], 'new']==said['threshold']==1.5e-8
    rows = read_csv(tmp_path/'v/journal.csv')
    assert table.new[rows.decision_id[:2]].tolist()==rows.threshold[:2].tolist()==[1.5e-8,.2]
    assert rows.decision_id[2]==st.ex.cuts.id, 'a verdict at the threshold of before has the decision of the run'
    assert set(table.run_decision_id)=={st.ex.cuts.id} and table.who.tolist()==['Eve']*2
    with TestClient(make_app(st, temp=tmp_path)) as c:
        assert c.get('/moves.csv').content==(tmp_path/'v/moves.csv').read_bytes()
        assert c.get('/others.csv').status_code==404
