"The command line from end to end, in processes of its own"
import json, signal, subprocess, sys
import pytest
from conftest import part, struck
from semiconductor_cls.base.table import read_csv

TINY = '--arch efficientnet_lite0 --set sizes=32 --set epochs=1 --set bs=8'.split()
PARTS = 'parts --good ok --defect ng'.split()
FILES = ('run.json metrics.json table.csv removed.csv history.csv preds_valid.csv preds_test.csv model.safetensors '
         'report.html').split()
FIGURES = set('class_balance training_batch learning_rate loss roc confusion mistakes'.split())
METRICS = set('auc auc_lo auc_hi n_test threshold escape_rate overkill_rate seconds'.split())

def preds(run): return (run/'preds_test.csv').read_bytes()
def info(run): return json.loads((run/'run.json').read_text())

def test_train_and_predict(semicls, parts, tmp_path):
    def train(name, *more): return semicls('train', *PARTS, *TINY, '--name', name, *more)
    a,b,c = (tmp_path/'runs'/n for n in 'abc')
    first = train('a')
    assert first.returncode==0, first.err
    assert 'AUC' in first.out and 'report.html' in first.out
    assert first.out.count('\n')==1
    assert '20 defect' in first.err and 'zero.png (zero bytes)' in first.err
    assert [f for f in FILES if not (a/f).exists()]==[]
    assert {p.stem for p in (a/'figures').glob('*.png')} >= FIGURES
    m,t = json.loads((a/'metrics.json').read_text()),read_csv(a/'preds_test.csv')
    assert METRICS <= set(m)
    assert m['auc_lo']<=m['auc']<=m['auc_hi']
    assert list(t.columns)==['id','path','label','p_defect']
    assert t.id.is_monotonic_increasing and m['n_test']==len(t)
    assert sorted(read_csv(a/'removed.csv').id)==['cut','zero']
    assert '<script' not in (a/'report.html').read_text()

    train('b')
    assert preds(a)==preds(b), 'the same seed must give the same predictions'
    train('c', '--seed', '1')
    assert preds(a)!=preds(c)
    assert info(c)['split_fingerprint']==info(a)['split_fingerprint']
    taken = train('a')
    assert taken.returncode==1 and '--overwrite' in taken.err
    assert (a/'preds_test.csv').exists()

    p = semicls('predict', 'runs/a', 'parts/ok', 'parts/ng', '--out', 'scores.csv')
    s = read_csv(tmp_path/'scores.csv')
    assert p.returncode==3 and len(s)==82
    assert s.p_defect.isna().sum()==2
    assert set(s.decision.dropna())<={'pass','reject'}
    both = s.merge(t, on='path')
    assert len(both)==len(t)
    assert (both.p_defect_x-both.p_defect_y).abs().max()<1e-5

MISTAKES = [
    (['train','nowhere'], 'nowhere: no such'),
    (['train','empty'], 'the folder is empty'),
    (['train','one', '--name','x'], 'one'),
    (['train','few'], 'only 3 different'),
    (['train',*PARTS,'--arch','resnet5o'], 'Did you mean resnet50'),
    (['train',*PARTS,'--weights','nope.pth'], 'nope.pth: no such weights file'),
    (['train',*PARTS,'--weights','junk.pth'], 'junk.pth: not readable'),
    (['train',*PARTS,'--weights','other.safetensors'], 'does not fit'),
    (['train',*PARTS,'--set','epoch=3'], 'Did you mean epochs'),
    (['train',*PARTS,'--set','epochs=-1'], 'epoch'),
    (['train',*PARTS,'--recipe','best'], 'quick, paper, strong'),
    (['train',*PARTS,'--name','../up'], 'plain name'),
    (['train',*PARTS,'--nonsense'], 'nonsense'),
    (['train','rotten'], 'no readable'),
    (['predict','runs/none','parts','--out','o.csv'], 'no such run'),
]

@pytest.fixture
def bad_sources(tmp_path):
    "Folders and weights that nobody can train with"
    import torch
    from safetensors.torch import save_file
    (tmp_path/'empty').mkdir()
    for i in range(10): part(tmp_path/f'one/good/{i}.png', 0, i)
    for i in range(12): part(tmp_path/f'few/{"defect" if i<3 else "good"}/{i}.png', i<3, i)
    for c in ('good','defect'):
        folder = tmp_path/f'rotten/{c}'
        folder.mkdir(parents=True)
        for i in range(9): (folder/f'{i}.png').write_bytes(b'no image')
    (tmp_path/'junk.pth').write_bytes(b'junk')
    save_file({'w': torch.zeros(3)}, tmp_path/'other.safetensors')

@pytest.mark.parametrize('args,want', MISTAKES)
def test_bad_input_is_one_line_and_leaves_nothing(parts, bad_sources, tmp_path, args, want, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    monkeypatch.setattr('sys.argv', ['semicls', *args])
    with pytest.raises(SystemExit) as e: main()
    out,err = capsys.readouterr()
    assert e.value.code in (1,2) and want in err, err
    assert err.strip().splitlines()[-1].startswith('semicls: ')
    assert 'Traceback' not in err and out==''
    assert not (tmp_path/'runs').exists() and not (tmp_path/'o.csv').exists()

NOWHERE = "semicls: nowhere: no such folder (or the word 'elpv' for the photographs of the demo)"

def test_bad_input_in_a_process_of_its_own(semicls, tmp_path):
    r = semicls('train', 'nowhere')
    assert r.returncode==1
    assert r.err.strip().splitlines()==[NOWHERE]
    assert not (tmp_path/'runs').exists()

def test_look_clean_train_ensemble(semicls, tmp_path):
    "The path of the study: look, clean, train on what is left, average"
    def done(*args):
        p = semicls(*args)
        assert p.returncode==0, p.err
    runs,cleaned = tmp_path/'runs',tmp_path/'cleaned'
    done('synth', 'chips', '--scale', '0.005', '--seed', '3')
    done('eda', 'chips', '--out', 'eda')
    s,truth = json.loads((tmp_path/'eda/summary.json').read_text()),read_csv(tmp_path/'chips/truth.csv')
    assert s['n_images']==len(truth) and s['n_unboxed_defects']>0
    assert (tmp_path/'eda/report.html').exists()
    done('clean', 'chips', '--out', 'cleaned')
    kept,removed = read_csv(cleaned/'clean.csv'),read_csv(cleaned/'removed.csv')
    assert len(kept)+len(removed)==s['n_images']
    assert removed.reason.notna().all()
    for seed in ('0','1'): done('train', 'cleaned/clean.csv', *TINY, '--seed', seed, '--name', f's{seed}')
    assert read_csv(runs/'s0/preds_unlabelled.csv').p_defect.notna().all()
    done('ensemble', 'runs/s0', 'runs/s1', '--out', 'runs/both')
    assert len(read_csv(runs/'both/combinations.csv'))==3
    done('compare', 'runs/s0', 'runs/both')
    done('evaluate', 'runs/both', '--defect-rate', '0.01')
    assert (runs/'both/operating.json').exists()
    done('predict', 'runs/both', 'chips/test', '--out', 'p.csv')
    assert len(read_csv(tmp_path/'p.csv'))==s['n_test']

def test_ctrl_c_leaves_a_run_that_says_so_and_goes_on(semicls, parts, tmp_path):
    slow = [*PARTS, *(o.replace('epochs=1', 'epochs=6') for o in TINY)]
    x,y = tmp_path/'runs/x',tmp_path/'runs/y'
    def start(): return semicls('train', *slow, '--name', 'x', '--overwrite', wait=False)
    p = struck(start, 'epoch 1', signal.SIGINT)
    assert p.returncode==130 and info(x)['status']=='interrupted', p.err
    assert '--resume' in p.err and 'Traceback' not in p.err
    assert (x/'report.html').exists()
    r = semicls('train', *PARTS, '--name', 'x', '--resume')
    assert r.returncode==0, r.err
    semicls('train', *slow, '--name', 'y')
    assert preds(x)==preds(y)

def test_help_is_quick_to_reach_and_has_examples(semicls):
    r = semicls('--help')
    assert r.returncode==0 and 'semicls train elpv' in r.out

def test_the_command_alone_shows_what_there_is(semicls):
    alone,asked = semicls(),semicls('-h')
    assert (alone.returncode, alone.err, alone.out)==(0, '', asked.out)
    assert all(len(line)<80 for line in alone.out.splitlines())
    assert semicls('--version').out.startswith('semicls ')

def test_the_tab_key_completes_commands_and_options(semicls, monkeypatch):
    monkeypatch.setenv('_SEMICLS_COMPLETE', 'complete_bash')
    for words,want in {'semicls ev':'evaluate', 'semicls train --ov':'--overwrite'}.items():
        monkeypatch.setenv('COMP_WORDS', words)
        monkeypatch.setenv('COMP_CWORD', str(words.count(' ')))
        assert want in semicls().out

@pytest.mark.parametrize('args', [['train','nowhere'], ['eda','nowhere','--out','eda'], ['evaluate','nowhere']])
def test_a_command_that_has_to_load_torch_first_is_not_silent(args, tmp_path):
    code = 'from semiconductor_cls.cli import main; main()'
    def run(): return subprocess.run([sys.executable,'-c',code,*args], cwd=tmp_path, capture_output=True, text=True)
    said = run().stderr.splitlines()
    assert said[-1].startswith('semicls: nowhere')
    assert said[:-1] in ([], [f'semicls {args[0]}: at work'])
