"Sets of folds, from the command line: scores of every part out of its fold, suspected labels; guards `labels` too"
import json, shutil
import pandas as pd, pytest
from conftest import part
from semiconductor_cls.all import *

TINY = [*'--arch test_resnet --weights none'.split(),
        *(o for v in 'sizes=32 frozen_epochs=0 epochs=1 bs=8 tta=off'.split() for o in ('--set',v))]
PARTS = 'parts --good ok --defect ng'.split()

def test_views_that_a_member_has_are_not_offered_again(stub, tmp_path):
    members,said = [stub('a', tta='flips'), stub('b', seed=1, tta='flips')],[]
    assert add_tta(members, tmp_path/'e', 'flips', tell=said.append)==members
    assert said==['a: looks at flips already','b: looks at flips already']
    assert sorted(o.name for o in tmp_path.iterdir())==['a','b']

def test_another_run_where_a_member_would_be_stays(stub, tmp_path):
    members,other = [stub('a'), stub('b', seed=1)],stub('e-a-flips', seed=7)
    before = {o:o.read_bytes() for o in other.rglob('*') if o.is_file()}
    with pytest.raises(UserError): add_tta(members, tmp_path/'e', 'flips')
    assert {o:o.read_bytes() for o in other.rglob('*') if o.is_file()}==before

def test_folds_labels_committee(semicls, parts, tmp_path):
    train = ['train', *PARTS, *TINY, '--folds', 2, '--name', 'f2']
    folds = tmp_path/'runs/f2'
    p = semicls(*train)
    assert p.returncode==0, p.err
    out_of_fold,table = pd.read_csv(folds/'preds_valid.csv'),pd.read_csv(folds/'table.csv')
    assert set(out_of_fold.id)==set(table.id[table.fold.notna()])
    assert not out_of_fold.id.duplicated().any()
    assert json.loads((folds/'run.json').read_text())['status']=='finished'
    assert (folds/'report.html').exists()
    again = semicls(*train)
    assert again.returncode==1 and '--overwrite' in again.err

    weights,said = folds/'fold1/model.safetensors',(folds/'run.json').read_bytes()
    weights.rename(tmp_path/'away')
    p = semicls('train', *PARTS, '--name', 'f2', '--resume')
    assert p.returncode==1 and '--resume trains nothing that is finished' in p.err.splitlines()[-1], p.err
    assert (folds/'run.json').read_bytes()==said, 'the digits of the fold are not forgotten'
    (tmp_path/'away').rename(weights)
    info = json.loads((folds/'run.json').read_text())
    for name in ('valid','test'): info['files'][f'preds_{name}.csv'] |= dict(sha256='0'*64) # as if of another fold
    (folds/'run.json').write_text(json.dumps(info))
    shutil.rmtree(folds/'fold1')
    p = semicls('train', *PARTS, '--name', 'f2', '--resume')
    assert p.returncode==0, 'a fold whose folder was removed may come out otherwise: ' + p.err

    p = semicls('labels', 'runs/f2', '--drop', 3)
    assert p.returncode==1 and 'AUC out of fold' in p.err and '--force' in p.err, 'one epoch makes no judge of labels'
    assert not (folds/'suspects.csv').exists()
    p = semicls('labels', 'runs/f2', '--drop', 3, '--force')
    assert p.returncode==0, p.err
    said = p.err.splitlines()
    assert 'none is called one' in next(o for o in said if 'AUC' in o) and '0 called errors' in p.out
    assert 'not shown' not in p.err, 'the spots of the models are on the sheet'
    suspects = pd.read_csv(folds/'suspects.csv')
    assert suspects.pictures.sum()==len(out_of_fold), 'every picture, each part once'
    assert not suspects.issue.any()
    assert suspects['rank'].tolist()==list(range(1, len(suspects)+1))
    assert (folds/'figures/suspects.png').stat().st_size>1000
    p = semicls('train', 'runs/f2/without_suspects.csv', *TINY, '--name', 'again')
    assert p.returncode==0, p.err
    tests = [set(pd.read_csv(tmp_path/f'runs/{n}/preds_test.csv').id) for n in ('f2','again')]
    assert tests[0]==tests[1], 'it reports on the same images'

    one = tmp_path/read_csv(tmp_path/'runs/again/table.csv').query("label=='good'").path.iloc[0]
    was = one.read_bytes()
    part(one, 0, seed=999)
    for data,name in (('parts','f2'), ('runs/f2/without_suspects.csv','again')):
        for more in ([], ['--dry-run']):
            p = semicls('train', data, *PARTS[1:], '--name', name, '--resume', *more)
            assert p.returncode==1 and 'the data have changed since this run was started' in p.err, (name, more, p.err)
    one.write_bytes(was)
    info = json.loads((folds/'fold1/run.json').read_text())
    (folds/'fold1/run.json').write_text(json.dumps(info | dict(seed=7))) # as if copied from a set of another seed
    p = semicls('train', *PARTS, '--name', 'f2', '--resume')
    assert p.returncode==1 and 'fold1: this fold was made by another recipe or seed' in p.err, p.err
    (folds/'fold1/run.json').write_text(json.dumps(info))

    moved = tmp_path/'moved'
    (tmp_path/'runs').rename(moved) # a set of folds can be moved, and scores
    p = semicls('predict', 'moved/f2', 'parts/ok', '--out', 'scores.csv')
    assert p.returncode==3, p.err # one file is broken
    assert pd.read_csv(tmp_path/'scores.csv').p_defect.notna().sum()==60
    p = semicls('evaluate', 'moved/f2', '--looks', '.2')
    assert p.returncode==0, p.err
    assert 'Operating point' in (moved/'f2/report.html').read_text()
    assert OUT_OF_FOLD in p.err.splitlines() and OUT_OF_FOLD in (moved/'f2/report.html').read_text()
    p = semicls('evaluate', 'moved/f2/fold0', '--looks', '.2')
    assert p.returncode==0 and 'out of fold' not in p.err, 'one network chose, and decides'
    assert OUT_OF_FOLD not in (moved/'f2/fold0/report.html').read_text()
