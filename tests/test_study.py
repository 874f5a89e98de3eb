"Folds, suspected labels, ablations and committees of folds from the command line, on drawn parts"
import json
import pandas as pd

TINY = [o for v in ('sizes=32','frozen_epochs=0','epochs=1','bs=8','tta=off') for o in ('--set',v)]

def test_folds_labels_committee(semicls, parts, tmp_path):
    p = semicls('train','parts','--good','ok','--defect','ng',*TINY,'--folds',2,'--name','f2')
    assert p.returncode==0, p.err
    oof,table = pd.read_csv(tmp_path/'runs/f2/preds_valid.csv'),pd.read_csv(tmp_path/'runs/f2/table.csv')
    assert set(oof.id)==set(table.id[table.fold.notna()]) and not oof.id.duplicated().any()
    assert json.loads((tmp_path/'runs/f2/run.json').read_text())['status']=='finished' and (tmp_path/'runs/f2/report.html').exists()
    again = semicls('train','parts','--good','ok','--defect','ng',*TINY,'--folds',2,'--name','f2')
    assert again.returncode==1 and '--overwrite' in again.err

    p = semicls('labels','runs/f2','--drop',3)
    assert p.returncode==0, p.err
    s = pd.read_csv(tmp_path/'runs/f2/suspects.csv')
    assert len(s)==len(oof) and s['rank'].tolist()==list(range(1, len(s)+1)) and (tmp_path/'runs/f2/figures/suspects.png').stat().st_size>1000
    p = semicls('train','runs/f2/without_suspects.csv',*TINY,'--name','again')
    assert p.returncode==0, p.err
    tests = [set(pd.read_csv(tmp_path/f'runs/{n}/preds_test.csv').id) for n in ('f2','again')]
    assert tests[0]==tests[1] # it reports on the same images

    (tmp_path/'runs').rename(tmp_path/'moved') # a set of folds can be moved, and scores
    p = semicls('predict','moved/f2','parts/ok','--out','scores.csv')
    assert p.returncode==3 and pd.read_csv(tmp_path/'scores.csv').p_defect.notna().sum()==60, p.err # one file is broken
    p = semicls('evaluate','moved/f2','--looks','.2')
    assert p.returncode==0 and 'Operating point' in (tmp_path/'moved/f2/report.html').read_text(), p.err

def test_ablation_goes_on_and_says_what_it_cannot_do(semicls, parts, tmp_path):
    args = ['ablate','parts','--good','ok','--defect','ng',*TINY,'--vary','pool=concat,avg','--seeds','0,1','--out','abl']
    p = semicls(*args, wait=False)
    while 'epoch 1' not in p.stderr.readline(): assert p.poll() is None
    p.kill(); p.communicate()
    p = semicls(*args)
    assert p.returncode==0, p.err
    t = pd.read_csv(tmp_path/'abl/ablation.csv')
    assert t.variant.tolist()==['base','pool=avg'] and t.seeds.tolist()==[2,2] and (t.lo_valid<=t.diff_valid).all() and (t.diff_valid<=t.hi_valid).all()
    p = semicls(*args)
    assert p.returncode==0 and p.err.count('finished already')==4
    for bad,want in ((['--vary','pol=avg'],'Did you mean pool'), (['--vary','pool'],'field=value'), (['--vary','eps=0,x'],'of the kind')):
        p = semicls('ablate','parts','--good','ok','--defect','ng',*bad,'--out','b')
        assert p.returncode==1 and want in p.err and len(p.err.strip().splitlines())==1 and not (tmp_path/'b').exists()
