"A run is a closed thing: one writer, written once, found from anywhere, and a stranger's run is refused in a line"
import json, os, re, resource, shutil, signal, subprocess, sys, time
import matplotlib.pyplot as plt
import pandas as pd, pytest
from conftest import picture, scored_run, tree
from soak_kills import soak
from semiconductor_cls.auc import metrics_ci
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import *
from semiconductor_cls.base.parallel import threads_each
from semiconductor_cls.base.pictures import NO_HASH, lacking
from semiconductor_cls.base.run import *
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.clean import run_clean
from semiconductor_cls.cli import main
from semiconductor_cls.evaluate import evaluate_run, run_preds
from semiconductor_cls.inspect import run_eda
from semiconductor_cls.jobs.committee import renew_report
from semiconductor_cls.jobs.folds import _join_folds
from semiconductor_cls.operate import Line
from semiconductor_cls.review import operate_run
from semiconductor_cls.station.station import open_index
from semiconductor_cls.train import load_run_model

HOLD = """import sys, time
from semiconductor_cls.base.files import *
with hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)"""

@pytest.fixture
def holder():
    "Start processes that hold a folder"
    started = []
    def start(path):
        p = subprocess.Popen([sys.executable, '-c', HOLD, str(path)], stdout=subprocess.PIPE, text=True)
        started.append(p)
        assert p.stdout.readline()=='held\n'
        return p
    yield start
    for p in started: p.kill()

def test_the_second_writer_is_told_who_holds_the_run_and_a_killed_one_holds_nothing(semicls, holder, stub, tmp_path):
    run = stub('a')
    p = holder(run)
    for args in (['evaluate','a'], ['train','parts','--name','a','--runs','.','--overwrite'], ['ensemble','a',
        'a','--out','a']):
        second = semicls(*args)
        assert second.returncode==1 and second.err.count('\n')==1, second.err
    assert f'process {p.pid} on' in semicls('evaluate', 'a').err
    p.send_signal(signal.SIGKILL)
    p.wait()
    assert (tmp_path/'.a.lock').exists()
    assert semicls('evaluate', 'a').returncode==0
    assert not (tmp_path/'.a.lock').exists()

HELD = {'train PARTS --folds 2 --out runs/a --overwrite':'runs/a', 'train PARTS --folds 2 --out new':'new',
        'committee PARTS --arch test_resnet --out runs/both --overwrite':'runs/both', 'explain runs/a':'runs/a',
        'ablate PARTS --vary eps=0,0.1 --seeds 0 --out abl':'abl', 'export runs/a':'runs/a/export'}

@pytest.mark.parametrize('words,folder', HELD.items())
def test_every_writer_is_told_who_holds_its_folder(words, folder, holder, runs, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = tree(runs)
    p = holder(tmp_path/folder)
    monkeypatch.setattr('sys.argv', ['semicls', *words.replace('PARTS', str(trained/'parts.csv')).split()])
    with pytest.raises(SystemExit) as e: main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert e.value.code==1 and f'{folder}: in use by' in last and f'process {p.pid} on' in last, last
    assert [o for o in tree(runs) if not o.endswith('.lock')]==before

def test_the_index_of_a_station_waits_for_no_other_writer(holder, runs):
    p = holder(runs/'a')
    with pytest.raises(UserError, match=f'in use by .*process {p.pid} on'): open_index(open_run(runs/'a'), None)

def said_by(words, monkeypatch, capsys):
    "Exit code and error stream of a command in this process"
    monkeypatch.setattr('sys.argv', ['semicls', *words.split()])
    with pytest.raises(SystemExit) as e: main()
    return e.value.code,capsys.readouterr().err

@pytest.mark.parametrize('left', ['checkpoint.pt','.checkpoint.pt.1-2.tmp','.table.csv.1-2.tmp'])
def test_what_a_kill_left_beside_a_finished_run_hinders_nobody(left, runs, trained, tmp_path, monkeypatch, capsys):
    (runs/'a'/left).write_bytes(b'half a file')
    out = tmp_path/'scores.csv'
    for words in (f'predict {runs/"a"} {trained/"parts/good"} --out {out}', f'evaluate {runs/"a"}'):
        code,err = said_by(words, monkeypatch, capsys)
        assert code==0 and 'Traceback' not in err, err
    assert out.exists() and open_run(runs/'a').info['status']=='finished'
    assert (runs/'a'/left).exists()==(left=='checkpoint.pt'), 'what is half written goes'

@pytest.mark.parametrize('words', ['--set epoch=3', '--set bs=1', '--arch resnet5o', '--recipe best', '--folds 1',
                                   '--device gpu', '--weights nope.pth', '--good ok', '--jobs 2', '--engine magic'])
def test_a_bad_option_with_overwrite_leaves_the_old_run(words, runs, trained, monkeypatch, capsys):
    def files(): return {o:(runs/o).read_bytes() for o in tree(runs) if (runs/o).is_file()}
    before = files()
    source = trained/'parts'
    code,err = said_by(f'train {source} --out {runs/"a"} --overwrite {words}', monkeypatch, capsys)
    assert code==1 and 'Traceback' not in err and '--resume' not in err, err
    assert files()==before

@pytest.mark.parametrize('text', ['{"experiment": "mine"}', 'not json', '{"status": "finished", "started": "2026"}'])
@pytest.mark.parametrize('words', ['train {parts} --weights none --out {out}', 'ensemble {a} {b} --out {out}',
                                   'committee {parts} --arch test_resnet --weights none --out {out}'])
def test_overwrite_leaves_a_folder_that_another_program_made(words, text, trained, tmp_path, monkeypatch, capsys):
    out,(a,b) = tmp_path/'out',(trained/'runs'/name for name in 'ab')
    out.mkdir()
    for name,said in {'run.json':text, 'thesis.txt':'years'}.items(): (out/name).write_text(said)
    words = words.format(parts=trained/'parts', out=out, a=a, b=b)
    code,err = said_by(f'{words} --overwrite', monkeypatch, capsys)
    assert code==1 and f'{out}: exists and is not a run directory' in err and '--resume' not in err, err
    assert (tree(out),(out/'run.json').read_text()) == (['run.json','thesis.txt'],text)

def _garbled(info, name, value):
    "`run.json` with another value, of the recipe where the name is one of its fields; without it for None"
    info = dict(info, status='interrupted') if name!='status' else dict(info)
    where = info['recipe'] = dict(info['recipe'])
    if name not in where: where = info
    if value is None: del where[name]
    else: where[name] = value
    return info

@pytest.mark.parametrize('name,value', [('epochs','7'), ('epochs',1.5), ('epochs',None), ('lrs',[[1],[2],[3]]),
    ('sizes',[32.5]), ('arch',3), ('group_by',3), ('balanced','false'), ('loss',None), ('seed',None), ('seed',True),
    ('fingerprint',None), ('status',None), ('risks',5), ('channels',True)])
def test_what_run_json_lacks_or_garbles_is_named(name, value, runs, trained, monkeypatch, capsys):
    run = Run(runs/'a')
    write_json(run/'run.json', _garbled(run.info, name, value))
    code,err = said_by(f'train {trained/"parts"} --out {run.path} --resume', monkeypatch, capsys)
    last = err.splitlines()[-1]
    assert code==1 and 'run.json' in last and name in last and 'Traceback' not in err, err

@pytest.mark.parametrize('stop', [KeyboardInterrupt, OSError(28, 'No space left on device', 'x')],
                         ids=['Ctrl-C','full'])
def test_folds_that_were_stopped_name_what_is_there(stop, trained, tmp_path, monkeypatch, capsys):
    def stopped(*_, **__): raise stop
    monkeypatch.setattr('semiconductor_cls.jobs.folds.train_table', stopped)
    words = f'train {trained/"parts.csv"} --out {tmp_path/"f"} --folds 2 --set sizes=32 --weights none'
    code,err = said_by(words+' --arch test_resnet', monkeypatch, capsys)
    assert code==(130 if stop is KeyboardInterrupt else 1) and err.count('--resume')==1, err
    line = next(o for o in err.splitlines() if '--resume' in o)
    named = re.findall(rf'{re.escape(str(tmp_path))}[^ ;:]*', line)
    assert named and all(os.path.exists(o) for o in named), named

def test_a_second_synth_does_not_draw_into_the_first_one_s_folder(semicls, holder, tmp_path):
    (tmp_path/'chips/.unfinished').mkdir(parents=True)
    p = holder(tmp_path/'chips')
    second = semicls('synth', 'chips', '--scale', '.001')
    assert second.returncode==1 and f'process {p.pid} on' in second.err and 'Traceback' not in second.err, second.err
    assert tree(tmp_path/'chips')==['.unfinished']

def test_a_kill_at_any_rename_leaves_the_old_run_or_the_new(stub, tmp_path, monkeypatch):
    "The process ends at the first, the second, … rename of `--overwrite`"
    class Kill(BaseException): pass
    for n in range(1, 9):
        shutil.rmtree(tmp_path/'a', ignore_errors=True)
        old = stub('a')
        left = iter(range(n))
        def rename(a, b, real=os.rename):
            if next(left, None) is None: raise Kill
            real(a, b)
        with monkeypatch.context() as m:
            for name in ('rename','replace'): m.setattr(f'semiconductor_cls.base.files.os.{name}', rename)
            m.setattr('semiconductor_cls.base.files.mend_folder', lambda path: None) # a killed process mends nothing
            try: create_run(old, overwrite=True, seed=7)
            except Kill: pass
        info = open_run(old).info
        assert info['seed'] in (0,7)
        assert info['status']==('running' if info['seed']==7 else 'finished')
        create_run(tmp_path/'a', overwrite=True)
        assert not [o for o in tmp_path.glob('.a*')]

@pytest.mark.slow
def test_a_kill_at_any_rename_of_evaluate_is_made_good_by_the_same_command(stub, tmp_path, monkeypatch):
    "Each file is the one of a run that nobody touched, also the history of decisions and the hashes"
    class Kill(BaseException): pass
    def drawn(fig, path):
        plt.close(fig)
        write_text(path, 'drawn')
    for room in ('evaluate','review'): monkeypatch.setattr(f'semiconductor_cls.{room}.save_fig', drawn)
    monkeypatch.setattr('semiconductor_cls.evaluate.metrics_ci', lambda y, p, groups, n: metrics_ci(y, p, groups, 20))
    monkeypatch.setattr('semiconductor_cls.base.run.now', lambda: '2026-11-27T08:00:00+00:00')
    def files(run): return {o:(run/o).read_bytes() for o in tree(run.path) if (run/o).is_file()}
    def fresh():
        shutil.rmtree(tmp_path/'a', ignore_errors=True)
        run = Run(stub('a'))
        run.decide(.5, .5, 'youden')
        write_json(run/'metrics.json', dict(seconds=7.))
        run.finish()
        return run
    run,real = fresh(),os.replace
    operate_run(run, Line(.01, 100, 1))
    want = files(run)
    for n in range(40):
        run,left = fresh(),iter(range(n))
        def replace(a, b):
            if next(left, None) is None: raise Kill
            real(a, b)
        with monkeypatch.context() as m:
            m.setattr('os.replace', replace)
            try: operate_run(run, Line(.01, 100, 1))
            except Kill: killed = True
            else: killed = False
        if not killed: break
        operate_run(run, Line(.01, 100, 1))
        differs = [o for o,content in files(run).items() if content!=want.get(o)]
        assert not differs and files(run).keys()==want.keys(), (n, differs)
    assert 12<n<40

def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data)//2] ^= 1
    path.write_bytes(data)

def cut(path): path.write_text(''.join(path.read_text().splitlines(True)[:-3]))

@pytest.mark.parametrize('hurt', [flip, cut])
@pytest.mark.parametrize('name', ['preds_test.csv','preds_valid.csv','table.csv'])
def test_a_table_that_is_not_the_one_written_is_named(stub, name, hurt):
    run = Run(stub('a'))
    run.finish()
    evaluate_run(run, 20)
    hurt(run/name)
    with pytest.raises(UserError, match=f'{name}: differs from what was written'): evaluate_run(run, 20)

def test_another_model_is_named(runs):
    shutil.copy(runs/'b/model.safetensors', runs/'a/model.safetensors')
    for run in ('a','both'):
        with pytest.raises(UserError, match='a/model.safetensors: differs from what was written'):
            open_run(runs/run).weights_id

@pytest.mark.parametrize('name', ['metrics.json','operating.json','sections/operating.json'])
def test_a_measured_file_that_is_not_the_one_written_is_named(runs, name):
    "Of a single run and of a committee"
    for run in map(open_run, (runs/'a', runs/'both')):
        operate_run(run, Line(.01, 100, 1))
        assert name in run.info['files']
        (run/name).write_text((run/name).read_text().replace('0.', '0.0', 1))
        with pytest.raises(UserError, match=f'{name}: differs from what was written'): renew_report(run)

def test_a_changed_threshold_decides_nothing_and_evaluate_measures_anew(semicls, runs):
    history,chosen = runs/'a/decisions.jsonl',open_run(runs/'a').decision.hi
    entry = json.loads(history.read_text().splitlines()[-1])
    history.write_text(json.dumps(entry | dict(lo=.001, hi=.001))+'\n')
    for args in (['predict','runs/a','runs/a/figures','--out','p.csv'], ['evaluate','runs/a']):
        out = semicls(*args)
        assert out.returncode==1 and 'decisions.jsonl: differs from what was written' in out.err, out.err
        assert 'Traceback' not in out.err
    history.unlink() # as the message says
    assert semicls('evaluate', 'runs/a').returncode==0
    assert open_run(runs/'a').decision.hi!=.001 and chosen!=.001

def test_a_run_without_hashes_opens_as_before(runs):
    info = json.loads((runs/'a/run.json').read_text())
    del info['files'], info['pictures']
    write_json(runs/'a/run.json', info)
    evaluate_run(open_run(runs/'a'), 20)
    assert 'files' not in open_run(runs/'a').info

@pytest.mark.parametrize('name', ['preds_test.csv','table.csv'])
def test_a_deleted_file_is_not_absent(stub, name, monkeypatch, capsys):
    "`evaluate` names it and measures nothing; what a killed step had taken off the list may be missing"
    run = Run(stub('a'))
    run.finish()
    (run/name).unlink()
    before = tree(run.path)
    monkeypatch.setattr('sys.argv', ['semicls','evaluate',str(run.path)])
    with pytest.raises(SystemExit) as e: main()
    said = capsys.readouterr().err.splitlines()
    assert e.value.code==1 and said[-1]==(f'semicls: {run/name}: no such file, though run.json says that it was '
                                          'written; copy the run once more, or make it again')
    assert tree(run.path)==before
    class Kill(BaseException): pass
    with pytest.raises(Kill), run.writes(name): raise Kill
    assert not run.has(name) and evaluate_run(run, 20)['reported_on']==('valid' if name=='preds_test.csv' else 'test')

def test_a_decision_and_the_sets_of_folds_do_not_go_with_a_file(stub, tmp_path):
    "Where the only word about the threshold is deleted, and where a set of folds lacks what one of them predicted"
    old = Run(stub('old'))
    write_json(old/'metrics.json', dict(threshold=.2))
    old.finish()
    assert old.decision.hi==.2
    (old/'metrics.json').unlink()
    with pytest.raises(UserError, match='metrics.json: no such file, though'): old.decision
    for i in range(2): Run(stub(f'set/fold{i}')).finish()
    (tmp_path/'set/fold1/preds_test.csv').unlink()
    with pytest.raises(UserError, match='fold1/preds_test.csv: no such'): _join_folds(Run(tmp_path/'set'), 2)

@pytest.mark.parametrize('hashes', [None, [None,'f'*32]], ids=['no column','a cell'])
def test_a_picture_without_a_hash_comes_into_no_report(tmp_path, hashes):
    "A stranger's table may name any picture of this machine"
    paths = [picture(tmp_path/f'{name}.png', i) for i,name in enumerate(('passport','other'))]
    df = pd.DataFrame(dict(id=['t0','t1'], path=paths, label=['good','defect'], p_defect=[.9,.1]))
    run = scored_run(tmp_path/'r', df, df)
    write_csv(df.assign(split='test', **({} if hashes is None else dict(hash=hashes))), run/'table.csv')
    shown = run.located(df)
    assert shown.lacks.tolist()==[NO_HASH, NO_HASH if hashes is None else 'another picture than in training']
    said = []
    evaluate_run(run, 20, said.append)
    assert len(said)==1 and NO_HASH in said[0] and said[0].endswith('they are left out')
    assert ('--root' in lacking(shown))==(hashes is not None), 'a folder helps where a hash is known'

CORES = {'4':4, ' 3 ':3, '4,2':4} | dict.fromkeys(['two','0','-1','1.5','²','4;2'], 0)

@pytest.mark.parametrize('name', ['SEMICLS_CPUS','OMP_NUM_THREADS'])
@pytest.mark.parametrize('told,want', CORES.items())
def test_cores_in_the_environment_are_understood_or_refused(monkeypatch, name, told, want):
    "OpenMP takes a list, of loops in loops; the number of cores is one number"
    for o in ('SEMICLS_CPUS','OMP_NUM_THREADS'): monkeypatch.delenv(o, raising=False)
    monkeypatch.setenv(name, told)
    if want and (name,told)!=('SEMICLS_CPUS','4,2'):
        assert threads_each(1)==want
        return
    with pytest.raises(UserError, match=f'{name}={re.escape(told)} in the environment'): threads_each(1)

def semicolons(path): path.write_text(path.read_text().replace(',', ';').replace('.', ','))

def no_column(path): path.write_text(path.read_text().replace('label', 'truth', 1))

@pytest.mark.parametrize('hurt', [no_column, cut])
def test_unreadable_is_not_absent(stub, hurt):
    "Also without hashes, nothing is reported on validation because the test table cannot be read"
    run = Run(stub('a'))
    hurt(run/'preds_test.csv')
    with pytest.raises(UserError, match='preds_test.csv: '): run_preds(run)

def test_semicolons_are_the_same_table_or_refused(stub):
    run = Run(stub('a'))
    want = run_preds(run)
    semicolons(run/'preds_test.csv')
    try: found = run_preds(run)
    except UserError as e: assert 'preds_test.csv' in str(e)
    else: assert found[0]=='test' and found[1].p_defect.tolist()==want[1].p_defect.tolist()

def link(run): (run/'figures').symlink_to('/etc')
def file_link(run):
    (run/'metrics.json').unlink(missing_ok=True)
    (run/'metrics.json').symlink_to('/etc/passwd')
def pipe(run): os.mkfifo(run/'operating.json')
def tera(run):
    with open(run/'preds_test.csv', 'wb') as f: f.truncate(1<<40)
def deep(run): (run/'run.json').write_text('['*100_000)
def many(run):
    for i in range(20_001): (run/f'{i}').touch()
def status(run): Run(run).update(status=['finished'])
def size(run): Run(run).update(size=10**12)
def threshold(run): write_json(run/'metrics.json', dict(threshold=7))
def missing(run): write_json(run/'metrics.json', dict(auc=.9))

@pytest.mark.parametrize('hurt', [link, file_link, pipe, tera, deep, many, status, size, threshold, missing],
                         ids=lambda f: f.__name__)
def test_a_stranger_s_run_is_refused_in_a_line(stub, hurt, semicls, tmp_path):
    run = stub('a')
    before = os.listdir('/etc')
    hurt(run)
    start = time.monotonic()
    with pytest.raises(UserError) as e: (run_preds(open_run(run)), open_run(run).decision)
    assert '\n' not in str(e.value) and str(run) in str(e.value)
    assert os.listdir('/etc')==before

HUGE = [('vit_giant_patch14_dinov2',518), ('efficientnet_b7',600), ('eva02_enormous_patch14_clip_224',224)]

@pytest.mark.parametrize('arch,side', HUGE, ids=[arch for arch,_ in HUGE])
def test_a_network_that_the_weights_do_not_fill_takes_no_memory(runs, arch, side):
    "A file of some MB is no network of gigabytes, whatever run.json says"
    run = open_run(runs/'a')
    run.update(recipe=run.info['recipe'] | dict(arch=arch), size=side)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=f'does not fit {arch}'): load_run_model(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss-before < 300_000 # kB

@pytest.mark.parametrize('files', [[], {'metrics.json':7}], ids=['list','number'])
def test_hashes_of_another_kind_are_refused(runs, files):
    write_json(runs/'a/run.json', open_run(runs/'a').info | dict(files=files))
    with pytest.raises(UserError, match='files is not a'): open_run(runs/'a')

@pytest.mark.parametrize('members', [dict(a='../t0'), dict(a='../t1', b='../t1')], ids=['cycle','tower'])
def test_cycles_and_towers_of_committees_end(tmp_path, members):
    for i in range(30):
        own = members if 'b' not in members else {k:f'../t{i+1}' for k in members}
        create_run(tmp_path/f't{i}', kind='ensemble', how='prob', members=own, weights=dict.fromkeys(own, 1.))
    with pytest.raises(UserError, match='itself|deep'): open_run(tmp_path/'t0').networks

def test_out_writes_over_its_own_kind_only(tmp_path):
    labels = tmp_path/'labels.csv'
    labels.write_text('id,label\n1,good\n')
    with pytest.raises(UserError, match='not written over'): check_own(labels, 'id,path,p_defect')
    assert labels.read_text()=='id,label\n1,good\n'

# What each command with --out would write over: in a run, and beside somebody's own files
INTO_A_RUN = ['eda PARTS --out runs/b', 'clean PARTS --out runs/b', 'labels runs/a --out runs/b', 'synth --out runs/b',
              'ablate PARTS --vary eps=0,0.1 --out runs/b', 'curve PARTS --out runs/b', 'train PARTS --out runs/b',
              'explain runs/a PARTS --out runs/b', 'export runs/a --out runs/b', 'export runs/a --out runs/b/figures',
              'ensemble runs/a runs/a --out runs/b', 'committee PARTS --arch test_resnet --out runs/b',
              'predict runs/a PARTS --out runs/b/preds_test.csv', 'compare runs/a runs/a --out runs/b/table.csv']
ONTO_A_FILE = ['clean PARTS --out desk > clean.csv', 'clean PARTS --out desk > removed.csv',
               'clean PARTS --out desk > near.csv', 'eda PARTS --out desk > report.html',
               'eda PARTS --out desk > issues.csv', 'eda PARTS --out desk > summary.json',
               'eda PARTS --out desk > figures/statistics.png', 'labels runs/a --out desk > suspects.csv',
               'ablate PARTS --vary eps=0,0.1 --out desk > ablation.csv', 'curve PARTS --out desk > curve.csv',
               'ablate PARTS --vary eps=0,0.1 --out desk > report.html', 'curve PARTS --out desk > report.html',
               'ablate PARTS --vary eps=0,0.1 --out desk > figures/a.png', 'curve PARTS --out desk > figures/curve.png',
               'curve PARTS --out desk > curve.json',
               'compare runs/a runs/b --out desk/labels.csv > labels.csv', 'synth --out desk > good/1.png',
               'predict runs/a PARTS --out desk/labels.csv > labels.csv', 'explain runs/a PARTS --out desk > a.png',
               'export runs/a --out desk > manifest.json', 'train PARTS --out desk > report.html',
               'ensemble runs/a runs/b --out desk > metrics.json', 'committee PARTS --arch resnet18 --out desk > a.csv',
               'agree answers.csv --out desk/labels.html > labels.csv']

@pytest.mark.parametrize('words', [*INTO_A_RUN, *ONTO_A_FILE])
def test_no_command_writes_over_a_run_or_somebody_s_files(words, runs, trained, tmp_path, monkeypatch, capsys):
    words,_,own = words.partition(' > ')
    monkeypatch.chdir(tmp_path)
    (tmp_path/'answers.csv').write_text('part,who,round,verdict\n'+''.join(f'{i},{o},1,good\n{i},{o},2,defect\n'
                                                                          for i in range(9) for o in 'ab'))
    if own:
        (tmp_path/'desk'/own).parent.mkdir(parents=True)
        (tmp_path/'desk'/own).write_text('path,label\n1.png,good\n')
    def files(): return {o:o.read_bytes() for o in map(tmp_path.__truediv__, tree(tmp_path)) if o.is_file()}
    before = files()
    monkeypatch.setattr('sys.argv', ['semicls', *words.replace('PARTS', str(trained/'parts.csv')).split()])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err.splitlines()
    assert e.value.code==1 and err[-1].startswith('semicls: ') and len(err[-1])<400, err
    after = files()
    assert {o:after.get(o) for o in before}==before and set(after)==set(before)

def test_every_command_with_out_was_asked_to_write_over_something():
    from semiconductor_cls.cli import app
    with_out = {o.callback.__name__ for o in app.registered_commands if 'out' in o.callback.__annotations__}
    assert {o.split()[0] for words in (INTO_A_RUN, ONTO_A_FILE) for o in words} | {'agree'}==with_out

def test_a_command_writes_over_what_it_wrote_itself(replica, tmp_path):
    for _ in range(2):
        run_eda(replica[0], tmp_path/'eda')
        run_clean(replica[0], tmp_path/'clean')
    assert (tmp_path/'clean/near.csv').exists()
    run_clean(replica[0], tmp_path/'clean', near=True)
    assert not (tmp_path/'clean/near.csv').exists()

def test_a_full_disk_leaves_a_true_status(stub, monkeypatch):
    import errno
    run = Run(stub('a'))
    run.update(status='running')
    def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr('semiconductor_cls.base.files.write_text', full)
    run.update(status='failed', error='No space left on device')
    assert run.info['status']=='failed'

@pytest.mark.slow
def test_twenty_kills_over_all_commands(tmp_path):
    counts,wrong = soak(tmp_path, 20)
    assert not wrong, wrong
    assert sum(counts.values())==20
