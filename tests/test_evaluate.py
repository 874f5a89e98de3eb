"What a run is worth: rates with honest intervals, a frozen threshold, hostile names in figures"
import numpy as np, pytest
from conftest import draw, score_table, scored_run
from semiconductor_cls.base.files import read_json
from semiconductor_cls.auc import auc_ci, bootstrap, metrics
from semiconductor_cls.evaluate import evaluate_run, rate_ci, rate_text

def test_three_defects_and_all_ties(tmp_path):
    y,_ = draw(3, 30)
    for i,p in enumerate((np.full(33, .5), np.where(y, .9, .1), np.where(y, .1, .9))):
        m = evaluate_run(scored_run(tmp_path/f'r{i}', score_table(y, p)), n_boot=50)
        assert m['reported_on']=='valid'
        assert m['auc_lo']<m['auc_hi']
        assert np.isfinite(m['threshold'])
    assert rate_text(0, 3)=='< 64 % (0 of 3; one-sided 95 %)'

FIGURES = {'roc.png','confusion.png','mistakes.png','calibration.png'}

def test_evaluate_run_freezes_the_threshold(tmp_path):
    valid,test = (score_table(*draw(60, 240, seed=i+1), pre) for i,pre in enumerate('vt'))
    flipped = test.assign(label=test.label.iloc[::-1].to_numpy())
    m = evaluate_run(scored_run(tmp_path/'a', valid, test), 50)
    other = evaluate_run(scored_run(tmp_path/'b', valid, flipped), 50)
    assert m['threshold']==other['threshold']
    assert read_json(tmp_path/'a/metrics.json')['auc']==m['auc']
    assert {o.name for o in (tmp_path/'a/figures').iterdir()} >= FIGURES
    unlabelled = scored_run(tmp_path/'c', valid, test.assign(label=None))
    assert evaluate_run(unlabelled, 50)['reported_on']=='valid'

EVIL = ['$\\frac{$', '<script>', '\udcff\udcfe', 'a\nb', '\u202egnp', '字'*300]

def test_hostile_names_reach_the_figures(tmp_path):
    df = score_table(*draw(20, 40, 0.))
    for i,n in enumerate(EVIL): df.loc[[i, 25+i],['id','path']] = [[n+'d', n], [n+'g', n]]
    evaluate_run(scored_run(tmp_path/'r', df), 20)
    assert (tmp_path/'r/figures/mistakes.png').stat().st_size>1000

@pytest.mark.parametrize('rate', [.02, .1, .5])
def test_rates_of_unequal_groups_cover_the_truth(rate):
    "Parts of a group go wrong together, groups have one to six parts"
    r,hit = np.random.default_rng(0),0
    for _ in range(1000):
        sizes = r.integers(1, 7, 80)
        wrong = sizes[r.random(80)<rate].sum()
        lo,hi = rate_ci(int(wrong), int(sizes.sum()), sizes=sizes)
        hit += lo<=rate<=hi
    assert hit/1000>=.93

def test_auc_has_both_intervals(tmp_path):
    y,p = draw(60, 240, 3., seed=5, centre=.5)
    sets = (score_table(y, p, s) for s in ('valid','test'))
    m = evaluate_run(scored_run(tmp_path/'r', *sets), 200)
    lo,hi = bootstrap(lambda w: metrics(y, p, w), y, n=200).loc['auc', ['lo','hi']]
    assert (m['auc_boot_lo'], m['auc_boot_hi'])==(lo, hi)
    assert (m['auc_lo'], m['auc_hi'])==auc_ci(y, p)[1:]
    assert 'bootstrap' in m['auc_intervals']
