"The station knows what `predict` and `evaluate` say, gives verdicts back, and refuses in one line"
import hashlib
from pathlib import Path
import numpy as np, pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from conftest import free_port
from hostile import chip, saved
from semiconductor_cls.station.station import Station
from semiconductor_cls.station.tray import take_in
from semiconductor_cls.station.desk import desk_view, judge, new_desk, rates_at, rates_html
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.run import open_run
from semiconductor_cls.base.table import read_csv, write_csv
from semiconductor_cls.evaluate import evaluate_run
from semiconductor_cls.source import read_source
from semiconductor_cls.station.verdicts import export_verdicts

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
