"Ablations: the baseline is in each, a killed one goes on, what cannot be varied is one line"
import pandas as pd
from conftest import heard, part
from semiconductor_cls.all import *

TINY = [*'--weights none --set arch=test_resnet'.split(),
        *(o for v in 'sizes=32 frozen_epochs=0 epochs=1 bs=8 tta=off'.split() for o in ('--set',v))]
PARTS = 'parts --good ok --defect ng'.split()
BAD = {('--vary','pol=avg'): 'Did you mean pool', ('--vary','pool'): 'field=value', ('--vary','eps=0,x'): 'of the kind'}

def test_the_baseline_is_in_every_ablation():
    v = variants(QUICK, parse_vary(['pool=avg,max']))
    assert list(v)==['base','pool=avg','pool=max']
    assert v['base']==QUICK

def test_ablation_goes_on_and_says_what_it_cannot_do(semicls, parts, tmp_path):
    args = ['ablate', *PARTS, *TINY, '--vary', 'pool=concat,avg', '--seeds', '0,1', '--out', 'abl']
    p = semicls(*args, wait=False)
    heard(p, 'epoch 1')
    p.kill()
    p.communicate()
    p = semicls(*args)
    assert p.returncode==0, p.err
    t = pd.read_csv(tmp_path/'abl/ablation.csv')
    assert t.variant.tolist()==['base','pool=avg']
    assert t.seeds.tolist()==[2,2]
    assert (t.lo_valid<=t.diff_valid).all() and (t.diff_valid<=t.hi_valid).all()
    p = semicls(*args)
    assert p.returncode==0 and p.err.count('finished already')==4
    part(next((tmp_path/'parts/ok').glob('*.png')), 0, seed=999)
    for more in ([], ['--dry-run'], ['--vary','eps=0,.1']):
        p = semicls(*args, *more)
        assert p.returncode==1 and 'the data have changed since this run was started' in p.err, (more, p.err)
    for bad,want in BAD.items():
        p = semicls('ablate', *PARTS, *bad, '--out', 'b')
        assert p.returncode==1 and want in p.err
        assert len(p.err.strip().splitlines())==1
        assert not (tmp_path/'b').exists()
