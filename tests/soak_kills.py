"""Kill commands at random moments, give the same command again, and compare with a run that nobody touched.

    python tests/soak_kills.py 300 --seed 0

One line a kill, and a table at the end; the exit code is 1 if one result differs,
or something of ours is left behind."""
import argparse, collections, hashlib, json, os, random, re, shutil, subprocess, sys, tempfile, time
from pathlib import Path
from typing import NamedTuple
sys.path.insert(0, str(Path(__file__).parent))
from conftest import free_port
from warm import Command

SMALL = '--set sizes=32 --set epochs=1 --set bs=8 --set tta=off --arch resnet18 --weights none'.split()
GRID = '--set sizes=32 --set epochs=1 --set bs=8 --set tta=off --weights none'.split()

class Job(NamedTuple):
    "A command, and what is compared after it"
    args:str
    outputs:str # A pattern of files; their bytes do not depend on time
    until:str='' # A file after which a command that does not end by itself is stopped
    again:str='' # What goes on, where it is not the same command

JOBS = dict(
    train=Job('train parts.csv --name t {small}', 'runs/t/preds_*.csv runs/t/model.safetensors',
        again='train parts.csv --name t --resume'),
    overwrite=Job('train parts.csv --name a --overwrite {small}', 'runs/a/preds_*.csv'),
    folds=Job('train parts.csv --name f --folds 2 {small}', 'runs/f/preds_*.csv runs/f/fold*/preds_*.csv',
              again='train parts.csv --name f --resume'),
    predict=Job('predict runs/a parts/good parts/defect --out scores.csv --engine torch', 'scores.csv'),
    eda=Job('eda parts.csv --out eda', 'eda/issues.csv'),
    clean=Job('clean parts.csv --no-unboxed --out cleaned', 'cleaned/*.csv'),
    synth=Job('synth --out drawn --scale 0.002', 'drawn/*.csv drawn/train/*/*/*.bmp'),
    evaluate=Job('evaluate runs/a', 'runs/a/*.json* runs/a/sections/*.json runs/a/figures/*.png runs/a/preds_*.csv'),
    labels=Job('labels runs/a', 'runs/a/suspects.csv'),
    explain=Job('explain runs/a', 'runs/a/mistakes.csv runs/a/explain_scores.csv'),
    export=Job('export runs/a', 'runs/a/export/model.onnx'),
    ensemble=Job('ensemble runs/a runs/b --out runs/both', 'runs/both/*.csv'),
    committee=Job('committee parts.csv --arch resnet18,resnet10t --out runs/c {grid}', 'runs/c/preds_*.csv'),
    ablate=Job('ablate parts.csv --vary pool=avg,concat --seeds 0 --out abl {grid}', 'abl/ablation.csv'),
    serve=Job('serve runs/a --no-browser --port {port}', 'runs/a/model.safetensors', until='runs/a/station.npz'))

def start(folder, text):
    "A command in a process of its own, which has the libraries already: what is killed is our code at work"
    words = text.format(small=' '.join(SMALL), grid=' '.join(GRID), port=free_port()).split()
    env = {**os.environ, 'SEMICLS_CACHE':str(folder/'cache'), 'OMP_NUM_THREADS':'1', 'CUDA_VISIBLE_DEVICES':''}
    return Command(words, folder, env, subprocess.STDOUT)

def finish(folder, job, text):
    "Run a command to its end; seconds, and what went wrong"
    begun = time.monotonic()
    p = start(folder, text)
    if job.until:
        while p.poll() is None and not (folder/job.until).exists(): time.sleep(.1)
        p.terminate()
    said,_ = p.communicate()
    bad = p.returncode!=0 and not (job.until and (folder/job.until).exists())
    return time.monotonic()-begun, said[-300:] if bad else ''

def decision_ids(folder):
    "The id of each decision, which hashes its time, and what stands for it: whose it is, and its place in the history"
    lines = [(o.parent.name,i,line) for o in folder.glob('runs/*/decisions.jsonl')
             for i,line in enumerate(o.read_bytes().splitlines())]
    return {json.loads(line)['id'].encode():f'{run} {i}'.encode() for run,i,line in lines}

def timeless(content, ids): # A table of scores says when its command began
    content = re.sub(rb'20\d\d-\d\d-\d\dT[\d:]{8}\+00:00', b'', content)
    return re.sub(rb'\bd[0-9a-f]{10}\b', lambda found: ids.get(found[0], found[0]), content)

def hashed(path, ids):
    "Hash of a file, but for the times in it; of `run.json` the names of the files whose hashes it keeps"
    content = timeless(path.read_bytes(), ids)
    if path.name=='run.json': content = repr(sorted(json.loads(content).get('files') or ())).encode()
    return hashlib.md5(content).hexdigest()

def result(folder, job):
    "Hash of each output"
    paths = sorted(o for pattern in job.outputs.split() for o in folder.glob(pattern))
    ids = decision_ids(folder)
    return {str(o.relative_to(folder)):hashed(o, ids) for o in paths}

def all_finished(folder): # Runs that a command has made or changed
    return all(json.loads(o.read_text()).get('status')=='finished' for o in folder.glob('runs/*/run.json'))

def left(folder):
    "What of ours lies about: half-written files and folders, locks, checkpoints of finished runs"
    endings = ('.tmp','.new','.old','.gone','.lock','.unfinished')
    return [str(o.relative_to(folder)) for o in folder.rglob('*')
            if o.name.startswith('.') and o.name.endswith(endings) or o.name=='checkpoint.pt']

def base(folder):
    "Parts, a table of them, and two finished runs"
    from semiconductor_cls.base.table import write_csv
    from semiconductor_cls.synth import synth_folder
    df = synth_folder(folder/'parts', 60, 40)
    write_csv(df.assign(path=[os.path.relpath(o, folder) for o in df.path]), folder/'parts.csv')
    for name,arch in dict(a='resnet18', b='resnet10t').items():
        words = ' '.join(SMALL).replace('resnet18', arch)
        _,bad = finish(folder, JOBS['train'], f'train parts.csv --name {name} {words}')
        assert not bad, bad

def one(home, rng, name, reference):
    "Kill one command once, go on, compare; what is wrong"
    job,folder = JOBS[name],home/'work'
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(home/'base', folder)
    seconds,want = reference[name]
    p = start(folder, job.args)
    time.sleep(rng.uniform(0, seconds))
    p.kill()
    p.wait()
    begun = job.again and (folder/'runs'/job.args.split('--name ')[1].split()[0]/'run.json').exists()
    _,bad = finish(folder, job, job.again if begun else job.args)
    refuses = 'use --overwrite' in bad or 'exists and is not an empty folder' in bad
    was_done = refuses and result(folder, job)==want and all_finished(folder)
    if was_done: bad = '' # it was killed after that, and says so
    if bad: return f'the command does not go on: {bad}'
    differs = sorted(name for name,_ in set(want.items())^set(result(folder, job).items()))
    if differs: return f"another result: {', '.join(dict.fromkeys(differs))}"
    return f'left behind: {there}' if (there := left(folder)) else ''

def soak(home, n, seed=0, names=tuple(JOBS)):
    "`n` kills over the named commands; a count of what came out, and what was wrong"
    rng,home = random.Random(seed),Path(home)
    (home/'base').mkdir()
    base(home/'base')
    reference,counts,wrong = {},collections.Counter(),[]
    for i in range(n):
        name = names[i%len(names)]
        if name not in reference:
            shutil.rmtree(home/'work', ignore_errors=True)
            shutil.copytree(home/'base', home/'work') # the same place, because some tables hold whole paths
            seconds,bad = finish(home/'work', JOBS[name], JOBS[name].args)
            assert not bad, (name, bad)
            reference[name] = seconds,result(home/'work', JOBS[name])
            assert reference[name][1], f'{name}: nothing to compare'
        why = one(home, rng, name, reference)
        counts[name, 'wrong' if why else 'equal'] += 1
        if why: wrong.append((i, name, why))
        print(f'{i:3} {name:10} {why or "equal"}', flush=True)
    return counts,wrong

if __name__=='__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('n', type=int)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--only', default=','.join(JOBS), help='commands, separated by commas')
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home: counts,wrong = soak(home, asked.n, asked.seed, asked.only.split(','))
    for (name,what),k in sorted(counts.items()): print(f'{name:10} {what:6} {k}')
    print(f'{asked.n} kills, {len(wrong)} wrong')
    sys.exit(bool(wrong))
