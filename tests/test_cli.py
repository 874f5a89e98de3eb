"The command line from end to end, in processes of its own"
import json, os, signal, time
import pandas as pd, pytest
from semiconductor_cls.base.table import read_csv
from conftest import part

TINY = '--arch efficientnet_lite0 --set sizes=32 --set epochs=1 --set bs=8'.split()
NAMES = '--good ok --defect ng'.split()

def test_train_and_predict(semicls, parts, tmp_path):
    a = semicls('train', 'parts', *NAMES, *TINY, '--name', 'a')
    assert a.returncode==0, a.err
    run = tmp_path/'runs/a'
    assert 'AUC' in a.out and 'report.html' in a.out and a.out.count('\n')==1
    assert '20 defect' in a.err and 'zero.png (zero bytes)' in a.err
    want = 'run.json metrics.json table.csv removed.csv history.csv preds_valid.csv preds_test.csv model.safetensors report.html'.split()
    assert [f for f in want if not (run/f).exists()]==[]
    assert {p.stem for p in (run/'figures').glob('*.png')} >= {'class_balance','training_batch','learning_rate','loss','roc','confusion','mistakes'}
    m = json.loads((run/'metrics.json').read_text())
    assert {'auc','auc_lo','auc_hi','n_test','threshold','escape_rate','overkill_rate','seconds'} <= set(m) and m['auc_lo']<=m['auc']<=m['auc_hi']
    t = read_csv(run/'preds_test.csv')
    assert list(t.columns)==['id','path','label','p_defect'] and t.id.is_monotonic_increasing and m['n_test']==len(t)
    assert sorted(read_csv(run/'removed.csv').id)==['cut','zero']
    assert '<script' not in (run/'report.html').read_text()

    b = semicls('train', 'parts', *NAMES, *TINY, '--name', 'b')
    assert (run/'preds_test.csv').read_bytes()==(tmp_path/'runs/b/preds_test.csv').read_bytes(), 'the same seed must give the same predictions'
    c = semicls('train', 'parts', *NAMES, *TINY, '--name', 'c', '--seed', '1')
    assert (run/'preds_test.csv').read_bytes()!=(tmp_path/'runs/c/preds_test.csv').read_bytes()
    assert json.loads((tmp_path/'runs/c/run.json').read_text())['split_fingerprint']==json.loads((run/'run.json').read_text())['split_fingerprint']
    taken = semicls('train', 'parts', *NAMES, *TINY, '--name', 'a')
    assert taken.returncode==1 and '--overwrite' in taken.err and (run/'preds_test.csv').exists()

    p = semicls('predict', 'runs/a', 'parts/ok', 'parts/ng', '--out', 'scores.csv')
    s = read_csv(tmp_path/'scores.csv')
    assert p.returncode==3 and len(s)==82 and s.p_defect.isna().sum()==2 and set(s.decision.dropna())<={'pass','reject'}
    j = s.merge(t, on='path')
    assert len(j)==len(t) and (j.p_defect_x-j.p_defect_y).abs().max()<1e-5

@pytest.mark.parametrize('args,want', [
    (['train','nowhere'], 'nowhere: no such'),
    (['train','empty'], 'the folder is empty'),
    (['train','one', '--name','x'], 'one'),
    (['train','few'], 'only 3 different'),
    (['train','parts',*NAMES,'--arch','resnet5o'], 'Did you mean resnet50'),
    (['train','parts',*NAMES,'--weights','nope.pth'], 'nope.pth: no such weights file'),
    (['train','parts',*NAMES,'--weights','junk.pth'], 'junk.pth: not readable'),
    (['train','parts',*NAMES,'--weights','other.safetensors'], 'does not fit'),
    (['train','parts',*NAMES,'--set','epoch=3'], 'Did you mean epochs'),
    (['train','parts',*NAMES,'--set','epochs=-1'], 'epoch'),
    (['train','parts',*NAMES,'--recipe','best'], 'quick, paper, strong'),
    (['train','parts',*NAMES,'--name','../up'], 'plain name'),
    (['train','parts',*NAMES,'--nonsense'], 'nonsense'),
    (['train','rotten'], 'no readable'),
    (['predict','runs/none','parts','--out','o.csv'], 'no such run'),
])
def test_bad_input_is_one_line_and_leaves_nothing(parts, tmp_path, args, want, monkeypatch, capsys):
    import torch
    from safetensors.torch import save_file
    from semiconductor_cls.cli import main
    (tmp_path/'empty').mkdir()
    for i in range(10): part(tmp_path/f'one/good/{i}.png', 0, i)
    for i in range(12): part(tmp_path/f'few/{"defect" if i<3 else "good"}/{i}.png', i<3, i)
    for c in ('good','defect'):
        for i in range(9): (tmp_path/f'rotten/{c}').mkdir(parents=True, exist_ok=True); (tmp_path/f'rotten/{c}/{i}.png').write_bytes(b'no image')
    (tmp_path/'junk.pth').write_bytes(b'junk'); save_file({'w': torch.zeros(3)}, tmp_path/'other.safetensors')
    monkeypatch.chdir(tmp_path); monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache')); monkeypatch.setattr('sys.argv', ['semicls', *args])
    with pytest.raises(SystemExit) as e: main()
    out,err = capsys.readouterr()
    assert e.value.code in (1,2) and want in err, err
    assert err.strip().splitlines()[-1].startswith('semicls: ') and 'Traceback' not in err
    assert not (tmp_path/'runs').exists() and not (tmp_path/'o.csv').exists() and out==''

def test_bad_input_in_a_process_of_its_own(semicls, tmp_path):
    r = semicls('train', 'nowhere')
    assert r.returncode==1 and r.err.strip().splitlines()==["semicls: nowhere: no such folder (or the word 'elpv' for the photographs of the demo)"] and not (tmp_path/'runs').exists()

def test_look_clean_train_ensemble(semicls, tmp_path):
    "The path of the study: look, clean, train on what is left, average"
    assert semicls('synth', 'chips', '--scale', '0.005', '--seed', '3').returncode==0
    e = semicls('eda', 'chips', '--out', 'eda')
    assert e.returncode==0, e.err
    s,truth = json.loads((tmp_path/'eda/summary.json').read_text()),read_csv(tmp_path/'chips/truth.csv')
    assert s['n_images']==len(truth) and s['n_unboxed_defects']>0 and (tmp_path/'eda/report.html').exists()
    c = semicls('clean', 'chips', '--out', 'cleaned')
    kept,removed = read_csv(tmp_path/'cleaned/clean.csv'),read_csv(tmp_path/'cleaned/removed.csv')
    assert c.returncode==0 and len(kept)+len(removed)==s['n_images'] and removed.reason.notna().all()
    for a in ('0','1'):
        t = semicls('train', 'cleaned/clean.csv', *TINY, '--seed', a, '--name', f's{a}')
        assert t.returncode==0, t.err
    assert read_csv(tmp_path/'runs/s0/preds_unlabelled.csv').p_defect.notna().all()
    m = semicls('ensemble', 'runs/s0', 'runs/s1', '--out', 'runs/both')
    assert m.returncode==0 and len(read_csv(tmp_path/'runs/both/combinations.csv'))==3, m.err
    assert semicls('compare', 'runs/s0', 'runs/both').returncode==0
    v = semicls('evaluate', 'runs/both', '--defect-rate', '0.01')
    assert v.returncode==0 and (tmp_path/'runs/both/operating.json').exists(), v.err
    p = semicls('predict', 'runs/both', 'chips/test', '--out', 'p.csv')
    assert p.returncode==0 and len(read_csv(tmp_path/'p.csv'))==s['n_test'], p.err

def test_ctrl_c_leaves_a_run_that_says_so_and_goes_on(semicls, parts, tmp_path):
    slow = [*NAMES, *TINY, '--set', 'epochs=6']
    p = semicls('train', 'parts', *slow, '--name', 'x', wait=False)
    hist = tmp_path/'runs/x/history.csv'
    end = time.monotonic()+120
    while not hist.exists() and time.monotonic()<end and p.poll() is None: time.sleep(.05)
    p.send_signal(signal.SIGINT)
    out,err = p.communicate(timeout=60)
    info = json.loads((tmp_path/'runs/x/run.json').read_text())
    assert p.returncode==130 and info['status']=='interrupted', err
    assert '--resume' in err and 'Traceback' not in err and (tmp_path/'runs/x/report.html').exists()
    r = semicls('train', 'parts', *NAMES, '--name', 'x', '--resume')
    assert r.returncode==0, r.err
    whole = semicls('train', 'parts', *slow, '--name', 'y')
    assert (tmp_path/'runs/x/preds_test.csv').read_bytes()==(tmp_path/'runs/y/preds_test.csv').read_bytes()

def test_help_is_quick_to_reach_and_has_examples(semicls):
    r = semicls('--help')
    assert r.returncode==0 and 'semicls train elpv' in r.out
