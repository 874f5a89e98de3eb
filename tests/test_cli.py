"The command line from end to end, in processes of its own"
import json, os, re, shlex, signal, subprocess, sys, threading
import pytest, yaml
from conftest import part, struck, tree
from semiconductor_cls.base.page import time_text
from semiconductor_cls.base.table import read_csv

TINY = '--arch test_resnet --weights none --set sizes=32 --set epochs=1 --set bs=8'.split()
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

@pytest.mark.parametrize('command', ['clean','eda'])
def test_a_closed_stream_is_no_failure(semicls, parts, tmp_path, command):
    "A shell or a scheduler may start a command without one; what it makes is the same"
    plain,wanted = semicls(command, *PARTS, '--out', 'plain'),tree(tmp_path/'plain')
    assert plain.returncode==0 and len(wanted)>1, plain.err
    for out,closed,told in (('no_err', [2], plain.out.replace('plain/', 'no_err/')), ('no_out', [1,2], '')):
        done = semicls(command, *PARTS, '--out', out, closed=closed)
        assert (done.returncode, done.out, done.err)==(0, told, ''), closed
        assert tree(tmp_path/out)==wanted, closed
    words = f'exec "$0" -m semiconductor_cls {command} {" ".join(PARTS)} --out none <&- >&- 2>&-'
    done = subprocess.run(['sh','-c',words,sys.executable], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr)==(0, b'', b'')
    assert tree(tmp_path/'none')==wanted

@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='a device of Linux')
@pytest.mark.parametrize('words', [[], ['--help'], ['--version'], ['train','-h']])
def test_a_full_standard_output_is_named(words):
    with open('/dev/full', 'w') as full:
        done = subprocess.run([sys.executable, '-m', 'semiconductor_cls', *words], stdout=full, stderr=subprocess.PIPE)
    last = done.stderr.decode().splitlines()[-1]
    assert done.returncode==1 and last.startswith('semicls: standard output: No space left on device'), last

@pytest.mark.parametrize('out,why', [('/dev/null/x','/dev/null is no folder'), ('a.png/x','a.png is no folder'),
                                     ('a'*300,'File name too long')])
@pytest.mark.parametrize('command', ['train','clean','eda'])
def test_a_place_where_no_folder_can_be_is_refused_with_the_way_out(semicls, parts, tmp_path, command, out, why):
    (tmp_path/'a.png').touch()
    done = semicls(command, *PARTS, '--out', out, *(TINY if command=='train' else []))
    assert done.returncode==1
    last = done.err.splitlines()[-1]
    assert out in last and why in last and last.endswith('choose another place'), last

@pytest.mark.parametrize('name, said', [('__main__','would read: 82 images'), ('line/score_script','Score pictures:')])
def test_python_may_leave_out_docstrings_and_asserts(parts, tmp_path, name, said):
    args = [*'clean --out c --dry-run'.split(), *PARTS] if name=='__main__' else []
    module = f"semiconductor_cls.{name.replace('/', '.')}"
    p = subprocess.run([sys.executable, '-OO', '-m', module, *args], cwd=tmp_path,
                       capture_output=True, text=True)
    assert said in p.stdout+p.stderr and p.returncode==(name!='__main__'), p.stderr

@pytest.mark.parametrize('command', ['eda','serve'])
def test_a_help_without_docstrings_says_what_it_lacks(tmp_path, command):
    words = [sys.executable, '-OO', '-m', 'semiconductor_cls', command, '--help']
    p = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert p.returncode==0 and 'without -OO' in p.stdout and 'Examples:' in p.stdout, p.stderr

@pytest.mark.parametrize('mask', ['777','300'])
def test_a_umask_that_closes_files_to_their_owner_is_refused(parts, tmp_path, mask):
    command = shlex.join([sys.executable, '-m', 'semiconductor_cls', 'clean', *PARTS, '--out', 'c'])
    p = subprocess.run(f'umask {mask}; {command}', shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert p.returncode==1 and p.stderr.startswith(f'semicls: umask {mask}: closes') and not (tmp_path/'c').exists()

@pytest.mark.parametrize('module', ['semiconductor_cls','semiconductor_cls.cli'])
def test_python_m_is_the_command(module, parts, tmp_path):
    def run(*args):
        return subprocess.run([sys.executable, '-m', module, *args], cwd=tmp_path, capture_output=True, text=True)
    plan = run('clean', *PARTS, '--out', 'c', '--dry-run')
    assert plan.returncode==0 and plan.stdout.startswith('would read: 82 images'), plan.stderr
    assert run('--version').stdout.startswith('semicls ')
    wrong = run('train', 'nowhere')
    assert wrong.returncode==1 and wrong.stdout=='' and 'nowhere: no such' in wrong.stderr

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
    (['train',*PARTS,'--name','up '], 'plain name'),
    (['train',*PARTS,'--name','u\np'], 'plain name'),
    (['train',*PARTS,'--nonsense'], 'nonsense'),
    (['train',*PARTS,'--seed','1','--seed','2'], '--seed: given twice'),
    (['eda',*PARTS,'--out','o','--out=p'], '--out: given twice'),
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
    done('synth', '--out', 'chips', '--scale', '0.005', '--seed', '3')
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
    assert yaml.safe_load((x/'config.yaml').read_text())==yaml.safe_load((y/'config.yaml').read_text())

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

@pytest.mark.parametrize('args', [['train','odd'], ['eda','odd','--out','eda'], ['evaluate','odd']])
def test_a_command_that_has_to_load_torch_first_is_not_silent(args, tmp_path):
    (tmp_path/'odd').mkdir()
    (tmp_path/'odd/notes.txt').write_text('no picture')
    code = 'from semiconductor_cls.cli import main; main()'
    def run(): return subprocess.run([sys.executable,'-c',code,*args], cwd=tmp_path, capture_output=True, text=True)
    said = run().stderr.splitlines()
    assert said[-1].startswith('semicls: odd')
    assert said[:-1] in ([], [f'semicls {args[0]}: at work'])

def test_check_says_that_torch_cannot_be_loaded(tmp_path):
    "A torchvision of another torch raises a RuntimeError"
    (tmp_path/'torchvision.py').write_text("raise RuntimeError('no operator nms')")
    code = 'from semiconductor_cls.cli import main; main()'
    p = subprocess.run([sys.executable,'-c',code,'check'], cwd=tmp_path, capture_output=True, text=True)
    assert p.returncode==1 and 'Traceback' not in p.stderr
    assert 'cannot be loaded (RuntimeError: no operator nms); NOT RIGHT: install torch' in p.stdout

NO_TORCH = """import shlex, sys
sys.modules['torch'] = sys.modules['fastai'] = None
from semiconductor_cls.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ['semicls', *shlex.split(line)]
    try: main()
    except SystemExit as done: print(done.code)
"""
ASKED = ('train nowhere', 'train nowhere --folds 5 --dry-run', 'eda nowhere --out o', 'clean nowhere --out o',
    'committee nowhere --arch alexnet --out o', 'ablate nowhere --vary bs=8 --out o', 'curve nowhere --out o',
    'evaluate nowhere', 'labels nowhere', 'explain nowhere', 'export nowhere', 'serve nowhere', 'bench nowhere',
    'predict nowhere parts --out o.csv', 'ensemble nowhere --out o', 'compare nowhere elsewhere')

def test_what_is_not_there_is_refused_without_torch(tmp_path):
    asked = '\n'.join(ASKED)
    p = subprocess.run([sys.executable,'-c',NO_TORCH], input=asked, cwd=tmp_path, capture_output=True, text=True)
    assert p.stdout.split()==['1']*len(ASKED), p.stderr
    said = [line for line in p.stderr.splitlines() if not line.endswith(': at work')]
    assert all(line.startswith('semicls: nowhere: no such ') for line in said), p.stderr
    assert not any(tmp_path.iterdir())

# ---- one vocabulary

def commands():
    "Name → command"
    from typer.main import get_command
    from semiconductor_cls.cli import app
    return get_command(app).commands

def options(command): return {word:o for o in command.params if o.param_type_name=='option' for word in o.opts}

SAME = """--seed --name --runs --recipe --set --weights --good --defect --group --device --overwrite --resume --root
    --dry-run --json --config"""

@pytest.mark.parametrize('word', SAME.split())
def test_a_word_means_the_same_in_every_command(word):
    there = [options(c)[word] for c in commands().values() if word in options(c)]
    assert there and len({(o.help, str(o.default), o.multiple, str(o.metavar)) for o in there})==1

def test_every_command_has_what_it_can_have():
    trains = '--out --name --runs --recipe --set --weights --good --defect --group --device --resume'.split()
    for name in 'train committee ablate'.split(): assert '--folds' in options(commands()[name])
    for name,command in commands().items():
        has = set(options(command))
        if '--recipe' in has: assert has>=set(trains), name
        assert ('--name' in has)==('--runs' in has) and (has>={'--out'} or '--name' not in has), name
        other = {'--base','--output','--force','--dir'} & has
        assert '--config' in has and other==({'--force'} if name=='labels' else set()), name # to drop against advice
    for name in 'train evaluate predict eda clean'.split():
        assert {'--json','--dry-run'}<=set(options(commands()[name])), name

def test_help_names_the_people_of_each_command():
    from semiconductor_cls.shell import PEOPLE
    for name,command in commands().items(): assert command.rich_help_panel in PEOPLE[:-1], name

def test_old_words_are_understood_and_the_new_ones_said(semicls, tmp_path):
    p = semicls('ablate', 'nowhere', '--base', 'quick', '--vary', 'epochs=1,2')
    assert '--base is called --recipe now' in p.err and 'nowhere' in p.err.splitlines()[-1]
    p = semicls('synth', 'chips', '--scale', '0.001')
    assert p.returncode==0 and 'synth --out chips' in p.err

# ---- options from a file, plans, and answers for programs

ONES = re.compile(r'(?<![\d,.])1 (\w+ )?(images|files|pictures|copies|labels|parts|epochs|rows|errors)\b')

@pytest.fixture
def few(tmp_path):
    "24 parts in photos/, one of them a copy, and one picture alone"
    for i in range(24): part(tmp_path/f'photos/{"defect" if i%3==0 else "good"}/{i:02}.png', i%3==0, i)
    (tmp_path/'photos/good/copy.png').write_bytes((tmp_path/'photos/good/01.png').read_bytes())
    part(tmp_path/'one/chip.png', 1, 99)
    return tmp_path

def test_a_run_is_repeated_from_its_own_file_and_answers_programs(semicls, few):
    def told(*args):
        p = semicls(*args, '--json')
        assert p.returncode==0 and p.out.count('\n')==1, p.err
        assert not ONES.search(p.err), p.err
        return json.loads(p.out)
    def scores(name): return read_csv(few/f'runs/{name}/preds_test.csv').p_defect.tolist()
    before = tree(few)
    for args in (['train','photos',*TINY], ['eda','photos','--out','eda'], ['clean','photos','--out','c']):
        assert set(told(*args, '--dry-run'))=={'reads','does','writes'}
    assert tree(few)==before
    a = told('train', 'photos', *TINY, '--out', 'runs/a')
    b = told('train', '--config', 'runs/a/config.yaml', '--name', 'b')
    assert a['auc']==b['auc'] and scores('a')==scores('b')
    assert told('eda', 'photos', '--out', 'eda')['n_duplicates']==1
    assert told('clean', 'photos', '--out', 'c')['n_removed']==1
    assert told('evaluate', 'runs/a')['operating']['line']['defect_rate']==.01
    kept = tree(few)
    for args in (['evaluate','runs/a'], ['predict','runs/a','one','--out','s.csv']): told(*args, '--dry-run')
    assert tree(few)==kept
    for words,why in {'evaluate runs/a --max-escape .1 --max-overkill .1':'one limit',
                      'eda photos --out runs/a':'is a run',
                      'predict runs/a one --out s.csv --engine x':'--engine x', 'clean photos --out runs/a':'is a run',
                      'train photos --out runs/a --resume --seed 5':'was started with seed'}.items():
        p = semicls(*words.split(), '--dry-run')
        assert p.returncode==1 and why in p.err and not p.out, p.err
    assert told('predict', 'runs/a', 'one', '--out', 's.csv')['files']==1
    p = semicls('predict', 'runs/a', 'one', '--out', 't.csv')
    assert p.out.startswith('1 file, ') and not ONES.search(p.err+p.out)
    page = (few/'runs/a/report.html').read_text()
    assert time_text(info(few/'runs/a')['finished']) in page and not ONES.search(page)

@pytest.mark.parametrize('text,why', {'nonsense: 1':'no option nonsense', 'seed: many':"'--seed'", '- a':'no names',
    'seed: -4':'--seed -4', 'set: [epoch=3]':'Did you mean epochs', 'out: x':'leave --name'}.items())
def test_a_file_of_options_is_checked_like_typed_ones(semicls, few, text, why):
    (few/'o.yaml').write_text(text)
    p = semicls('train', 'photos', '--config', 'o.yaml', '--name', 'n')
    assert p.returncode in (1,2) and why in p.err and p.err.count('\n')==1, p.err
    assert not (few/'runs').exists()

def test_a_plan_refuses_what_the_command_would(semicls, parts, tmp_path):
    rows = ''.join(f'parts/{o.parent.name}/{o.name},{"NG" if o.parent.name=="ng" else "perhaps"}\n'
                   for o in parts.rglob('0*.*'))
    (tmp_path/'t.csv').write_text('path,label\n'+rows)
    wrong = {'t.csv':'neither good nor defect', 'parts --group (':'no regular expression',
             'parts --engine Ray':'--engine Ray', 'parts --device nowhere':'--device nowhere',
             'parts --folds 1':'--folds 1', 'parts --weights gone.pth':'gone.pth: no such weights file',
             'parts --resume':'no such run directory', 'parts --set votes=shares --set loss=ce':'no such column',
             'parts --set precision=bf16':'only on CUDA'}
    for words,why in wrong.items():
        tiny = TINY[:2]+TINY[4:] if '--weights' in words else TINY
        p = semicls('train', *tiny, *words.split(), *PARTS[1:], '--dry-run', '--name', 'b')
        assert p.returncode==1 and why in p.err.splitlines()[-1] and not p.out, p.err

@pytest.mark.parametrize('text,why', [('name: [a, b]','write one text'), ('overwrite: 3','write true or false'),
    ('set: epochs=3\nset: sizes=64','given twice'), ('dry_run: no\ndry-run: yes','given twice')])
def test_a_file_of_options_means_what_it_says(semicls, parts, tmp_path, text, why):
    (tmp_path/'c.yaml').write_text(text)
    p = semicls('train', 'parts', '--config', 'c.yaml', '--dry-run')
    assert p.returncode==1 and p.err.count('\n')==1 and why in p.err, p.err

def test_words_of_a_file_of_options_are_texts(semicls, parts, tmp_path):
    (tmp_path/'c.yaml').write_text('data: parts\nname: 0123\ndefect: ng\ngood: ok\noverwrite: no\nweights:\n')
    p = semicls('train', '--config', 'c.yaml', '--dry-run', *TINY)
    assert p.returncode==0 and 'runs/0123' in p.out, p.err

def test_an_empty_option_is_a_variable_that_was_not_set(semicls, parts):
    for option in ('--group','--arch'):
        p = semicls('train', 'parts', option, '', '--dry-run')
        assert p.returncode==1 and p.err.startswith(f'semicls: {option}: is empty'), p.err

@pytest.mark.parametrize('words', ['predict runs/a parts --out z.csv/','compare runs/a --out=t.CSV/',
                                   'agree answers --out a.html//'])
def test_a_file_whose_name_ends_as_that_of_a_folder_is_refused(tmp_path, monkeypatch, words):
    from typer.testing import CliRunner
    from semiconductor_cls.base.errors import UserError
    from semiconductor_cls.cli import app
    monkeypatch.chdir(tmp_path)
    for name in ('runs/a','parts','answers'): (tmp_path/name).mkdir(parents=True)
    e = CliRunner().invoke(app, words.split()).exception
    assert isinstance(e, UserError) and 'leave one out' in str(e) and words.split('out')[-1][1:] in str(e)
    assert sorted(o.name for o in tmp_path.iterdir())==['answers','parts','runs']

def test_a_pipe_among_the_parts_keeps_nobody_waiting(semicls, parts, tmp_path):
    os.mkfifo(parts/'ok/pipe.png')
    p = semicls('train', 'parts', '--name', 'b', *TINY)
    assert p.returncode==0 and 'neither a file nor a folder' in (tmp_path/'runs/b/removed.csv').read_text(), p.err

def test_clean_says_what_it_understood(semicls, parts, tmp_path):
    rows = [f'parts/{o.parent.name}/{o.name},{o.parent.name}' for o in sorted(parts.rglob('0*.*'))]
    (tmp_path/'t.csv').write_text('\n'.join(['path,label', *rows, ',ng', rows[0].split(',')[0]+',ok']))
    p = semicls('clean', 't.csv', '--no-unboxed', '--out', 'c')
    assert p.returncode==0 and 'read as table' in p.err, p.err
    assert '1 row_without_path' in p.err and '1 two_labels' in p.err

DROPPED = """import os, signal, time
from semiconductor_cls import {room}
class Last:
    def __del__(self): os.kill(os.getpid(), signal.SIG{name})
def work(*args, **kwargs):
    Last()
    while True: time.sleep(1)
{room}.{work} = work
from semiconductor_cls.cli import main
main()"""

@pytest.mark.parametrize('room,work,args,name', [('inspect','run_eda','eda parts --out e','TERM'),
                                                 ('synth','synth','synth chips','INT')])
def test_a_stop_that_python_drops_stops_any_command(semicls, tmp_path, room, work, args, name):
    part(tmp_path/'parts/a.png', 0, 0)
    p = semicls(*args.split(), code=DROPPED.format(room=room, work=work, name=name))
    assert p.returncode==130 and 'Traceback' not in p.err, p.err # without its second coming it would work on for ever

def test_a_recipe_that_is_typed_beside_a_whole_file_is_not_silently_lost(semicls, parts, tmp_path):
    from semiconductor_cls.recipe import RECIPES
    from semiconductor_cls.cli import _pairs
    (tmp_path/'c.yaml').write_text(json.dumps(dict(recipe='quick', set=_pairs(RECIPES['quick']))))
    p = semicls('train', *PARTS, '--config', 'c.yaml', '--recipe', 'strong', '--name', 'n', '--dry-run')
    assert p.returncode==1 and '--recipe strong: counts for nothing' in p.err
    (tmp_path/'c.yaml').write_text('recipe: quick\nset: epochs=1')
    p = semicls('train', *PARTS, '--config', 'c.yaml', '--recipe', 'strong', '--name', 'n', '--dry-run')
    assert p.returncode==0, p.err

def test_a_file_of_options_may_be_a_pipe(semicls, parts, tmp_path):
    os.mkfifo(tmp_path/'pipe')
    def write(): # a second reader finds nothing in it
        for text in ('recipe: quick\nset: epochs=1\n',''): (tmp_path/'pipe').write_text(text)
    threading.Thread(target=write, daemon=True).start()
    p = semicls('train', *PARTS, '--config', 'pipe', '--recipe', 'strong', '--name', 'n', '--dry-run')
    assert p.returncode==0, p.err

@pytest.mark.parametrize('text,typed', [('arch: resnet18', ['--set','arch=test_resnet']),
    ('set: [arch=resnet18]', ['--arch','test_resnet'])])
def test_a_typed_field_counts_more_than_that_of_the_file(semicls, parts, tmp_path, text, typed):
    (tmp_path/'c.yaml').write_text(text)
    p = semicls('train', *PARTS, '--config', 'c.yaml', *typed, '--weights', 'none', '--name', 'n', '--dry-run')
    assert p.returncode==0 and 'would do: train test_resnet 1 time' in p.out, p.err

def test_a_file_of_options_names_the_runs_of_an_ensemble(semicls, tmp_path):
    for text in ('runs: [a, b]', 'runs: [a, b]\nname: c'):
        (tmp_path/'c.yaml').write_text(text)
        p = semicls('ensemble', '--config', 'c.yaml', *([] if 'name' in text else ['--name','c']))
        assert p.returncode==1 and 'a: no such run directory' in p.err
