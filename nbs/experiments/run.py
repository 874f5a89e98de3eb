"""Train what `grid.csv` asks for and `results.csv` lacks; each row of the results names the command that made it.

    python run.py                        # all that is missing, one training at a time
    python run.py --only 02,05           # some experiments, by how their names start
    python run.py --jobs 2 --device cuda # two at a time, on a GPU
    python run.py --quick                # every arm twice, tiny, on drawn chips; writes elsewhere

A stopped grid goes on where it was, and so does the training that was cut off.
"""
import argparse, json, os, re, shlex, shutil, subprocess, sys, traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timezone
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Lock, Thread, local
import numpy as np, pandas as pd
from execnb.shell import CaptureShell
from fastcore.xtras import working_directory
from matplotlib.figure import Figure
from semiconductor_cls.base.parallel import _follow
from semiconductor_cls.base.run import open_run
from semiconductor_cls.ensemble import join_preds

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COLUMNS = '''date commit command run data recipe changes arch seed split_seed metric value lower upper
    n_good n_defect seconds device threads'''.split()
TINY = 'arch=efficientnet_lite0 sizes=32 epochs=1'

def parse_seeds(text):
    "Numbers of '0-4' or '0,2,5'"
    first,_,last = str(text).partition('-')
    return list(range(int(first), int(last)+1)) if last else [int(o) for o in first.split(',')]

def plants_of(data):
    "`elpv+noise=0.05` taken apart: the source, and what `plant.py` plants in it"
    source,*plants = re.split(r'\+(?=\w+=)', data)
    return source,plants

def run_name(data, recipe, changes, seed):
    "What a training is called: the same training in two experiments is one"
    source,plants = plants_of(data)
    parts = [Path(source).stem, *plants, recipe, *sorted(changes.split())]
    return '-'.join(parts).replace('=', '_').replace(',', '.')+f'-s{seed}'

def read_grid(path):
    "A row a training, with the experiments and arms that use it"
    grid = pd.read_csv(path, keep_default_na=False)
    rows = [dict(row, seed=seed) for row in grid.to_dict('records') for seed in parse_seeds(row['seeds'])]
    for row in rows: row['run'] = run_name(row['data'], row['recipe'], row['changes'], row['seed'])
    return pd.DataFrame(rows).drop(columns='seeds')

def table_of(row, runs):
    "What is trained on: the data of the row, or the table that `plant.py` makes of them"
    source,plants = plants_of(row['data'])
    return str(Path(runs)/'+'.join([Path(source).stem, *plants]))+f"-s{row['seed']}.csv" if plants else source

def plant_command(row, runs):
    "The command that makes the table of a row; none where nothing is planted"
    source,plants = plants_of(row['data'])
    if not plants: return []
    options = [word for plant in plants for word in ('--'+plant).split('=')]
    if is_replica(row): source,options = str(Path(runs)/source),[*options, '--truth']
    words = ['python', 'nbs/experiments/plant.py', source, *options, '--seed', str(row['seed'])]
    return [*words, '--out', table_of(row, runs)]

def is_replica(row): return Path(plants_of(row['data'])[0]).name=='replica'

def draw_command(row, runs):
    "The command that draws the chips of a row; none for photographs"
    scale = row.get('scale', .05)
    folder = str(Path(runs)/plants_of(row['data'])[0])
    return ['semicls', 'synth', folder, '--scale', str(scale), '--seed', '1'] if is_replica(row) else []

def linear_command(row, runs, own, extra, device):
    "The same for a linear model on features of networks that are not trained"
    small = [o.replace('sizes', 'size') for o in extra if o.startswith('sizes')]
    options = [word for change in [*small, *[o for o in own if not small or not o.startswith('size=')]]
               for word in ('--'+change).split('=')]
    if device: options += ['--device', device]
    words = ['python', 'nbs/experiments/linear.py', table_of(row, runs), *options, '--seed', str(row['seed'])]
    return [*words, '--out', str(Path(runs)/row['run'])]

def own_changes(changes, extra):
    "Those of a row that `extra` leaves to it"
    fixed = {change.partition('=')[0] for change in extra}
    return [change for change in changes.split() if change.partition('=')[0] not in fixed]

def command_of(row, runs, extra=(), device=None):
    "The command of one training; the split follows the seed, so both kinds of luck are in the spread; `extra` wins"
    own = own_changes(row['changes'], extra)
    if row['recipe']=='linear': return linear_command(row, runs, own, extra, device)
    changes = [*extra, f"split_seed={row['seed']}", *own]
    words = ['semicls', 'train', table_of(row, runs), '--recipe', row['recipe'], '--seed', str(row['seed'])]
    for change in changes: words += ['--weights','none'] if change=='weights=none' else ['--set',change]
    if device: words += ['--device', device]
    return [*words, '--name', row['run'], '--runs', str(runs)]

def without_name(words): return words[:words.index('--name')] if '--name' in words else words

def shown_command(row, threads, extra=(), device=None):
    "What a reader types; name and folder of the run are the reader's own"
    before = [shlex.join(o) for o in (draw_command(row, '.'), plant_command(row, '.')) if o]
    train = shlex.join(without_name(command_of(row, '.', extra, device)))
    return ' && '.join([*before, f'OMP_NUM_THREADS={threads} {train}'])

def write_whole(frame, path):
    "Write a table beside its place, then put it there"
    part = path.with_suffix('.part')
    frame.to_parquet(part) if path.suffix=='.parquet' else frame.to_csv(part, index=False)
    os.replace(part, path)

def add_row(path, rows):
    "Rows appended to a CSV"
    old = pd.read_csv(path) if path.exists() else None
    write_whole(pd.concat([old, pd.DataFrame(rows)], ignore_index=True), path)

def set_column(data, split_seed, changes=''):
    "The column of the scores' file that says which image was in which set; `changes` may resize the sets"
    fold = [o for o in plants_of(data)[1] if o.startswith(('fold=','together='))]
    sizes = [o for o in str(changes).split() if o.startswith(('test=','valid='))]
    return '_'.join(['set', *[o.replace('=', '_') for o in [*fold, *sizes]], str(split_seed)])

def add_scores(path, row, folder):
    "A column a run: scores of validation and test images, whose ids differ; and which image was in which set"
    found = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    table = pd.read_csv(folder/'table.csv').set_index('id')
    parts = ['valid','test','unlabelled'][:3 if 'true_label' in table else 2] # leaks are judged without a label
    files = [folder/f'preds_{part}.csv' for part in parts]
    preds = pd.concat([pd.read_csv(o) for o in files if o.exists()])
    scores = preds.set_index('id').p_defect.astype('float32').rename(row['run'])
    where = set_column(row['data'], row['seed'], row.get('changes', ''))
    label = table.get('true_label', table.label).rename('label') # not the planted ones
    for column in (label, table.split.rename(where), scores):
        found = found.reindex(found.index.union(column.index))
        known = found.get(column.name, column)
        found[column.name] = column.combine_first(known)
    write_whole(found, path)

def add_epochs(path, run, folder):
    "A row an epoch; rows that a grid left which was stopped right here are replaced"
    if path.exists(): write_whole(pd.read_csv(path).query('run!=@run'), path)
    epochs = pd.read_csv(folder/'history.csv').assign(run=run)
    keep = ['run','size','stage','epoch','train_loss','valid_loss','auc','seconds']
    add_row(path, epochs[keep].round(6).to_dict('records'))

def shown_device(device):
    "The name of a GPU, as a reader wants to know it"
    import torch
    return torch.cuda.get_device_name(device) if device.startswith('cuda') else device

def result_row(row, folder, command, threads):
    "What `results.csv` says of a finished run"
    info = json.loads((folder/'run.json').read_text())
    found = json.loads((folder/'metrics.json').read_text())
    test = pd.read_csv(folder/'preds_test.csv').label.value_counts()
    low,high = found['auc_lo'],found['auc_hi']
    return dict(
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'), commit=info['commit'], command=command,
        run=row['run'], data=row['data'], recipe=row['recipe'], changes=row['changes'], arch=info['recipe']['arch'],
        seed=row['seed'], split_seed=row['seed'], metric='auc', value=found['auc'], lower=low, upper=high,
        n_good=test['good'], n_defect=test['defect'], seconds=round(found['seconds'], 1),
        device=shown_device(info['device']), threads=threads)

def caught(folder):
    "How much of each type a run stops in its test set: by its score, because it is unlike training, or by either"
    from plant import type_of
    from semiconductor_cls.line.predict import predict_table
    table = pd.read_csv(folder/'table.csv').query("split=='test'")
    predict_table(folder, list(table.path), folder/'caught.csv')
    found = table.merge(pd.read_csv(folder/'caught.csv')[['path','p_defect','note']], on='path')
    score,unlike = found.p_defect>=open_run(folder).decision.hi,found.note.fillna('').str.contains('unlike training')
    found = found.assign(type=type_of(found).fillna('good'), n=1, score=score, unlike=unlike, either=score|unlike)
    return found.groupby('type')[['n','score','unlike','either']].sum().reset_index()

def run_notebook(notebook, made):
    "Run a notebook where it lies; it is written with its outputs to `made`"
    own = sys.modules['__main__'] # in which a worker finds what it is asked to do; IPython puts the notebook there
    with working_directory(HERE):
        try: CaptureShell(mpl_format='png').execute(notebook, made, exc_stop=True)
        finally: sys.modules['__main__'] = own
    return 0

def in_process(words, log):
    "Run a command here, its talk in a file; the exit status"
    with open(log, 'a') as f, redirect_stdout(f), redirect_stderr(f):
        try:
            import linear, plant
            from semiconductor_cls.cli import app
            if words[0]=='notebook': return run_notebook(*words[1:])
            if words[0]=='python': return (linear if 'linear' in words[1] else plant).main(words[2:])
            app(words[1:])
        except SystemExit as e: return e.code
        except Exception:
            traceback.print_exc()
            return 1
    return 0

def draw_nothing():
    "Figures of stand-ins are made and not drawn: their runs are gone before anybody looks"
    Figure.savefig = lambda figure, path, **_: Path(path).touch()

OWN = local() # Each thread has a worker of its own, so that one that dies costs no other

def begin(quick):
    "A worker works at the root, and ends with the grid that started it, however that ends"
    os.chdir(ROOT)
    if quick: draw_nothing()
    Thread(target=_follow, daemon=True).start()

def in_worker(words, log, quick=False):
    "The same in a process that stays: its imports, and its place on a GPU, are paid for once"
    if not hasattr(OWN, 'worker'): OWN.worker = ProcessPoolExecutor(1, get_context('spawn'), begin, (quick,))
    try: return OWN.worker.submit(in_process, words, log).result()
    except BrokenProcessPool:
        del OWN.worker
        return 1

def keep_row(row, folder, command, args):
    "What a finished run says under the name of this row, in the three files"
    made = result_row(row, folder, command, args.threads)
    add_scores(args.out/'scores.parquet', row, folder)
    if (folder/'history.csv').exists(): add_epochs(args.out/'epochs.csv', row['run'], folder)
    if 'without=' in row['data']: add_row(args.out/'caught.csv', caught(folder).assign(run=row['run']))
    add_row(args.out/'results.csv', [{k:made[k] for k in COLUMNS}])
    return made

def extra(args): return TINY.split() if args.quick else (),args.device

def trainings(rows, args):
    "Lists of rows that one command makes: stand-ins of two sizes are one training"
    alike = {}
    for row in rows: alike.setdefault(shown_command(row, args.threads, *extra(args)), []).append(row)
    return list(alike.values())

def train(rows, args, lock):
    "One training, and its traces in the three files, once for each of the `rows` that it makes"
    row,more = rows[0],extra(args)
    folder = args.runs/row['run']
    words,before = command_of(row, args.runs, *more),plant_command(row, args.runs)
    go_on = ['--resume'] if (folder/'run.json').exists() and row['recipe']!='linear' else []
    print(f"{row['run']}: starts", file=sys.stderr, flush=True)
    log = args.runs/f"{row['run']}.log"
    call = partial(in_worker, log=log, quick=args.quick)
    if before and call(before) or call([*words, *go_on]):
        print(f"{row['run']}: failed, see {log}", file=sys.stderr, flush=True)
        return False
    with lock:
        command = shown_command(row, args.threads, *more)
        for row in rows: made = keep_row(row, folder, command, args)
    print(f"{row['run']}: AUC {made['value']:.4f} ({made['lower']:.4f} to {made['upper']:.4f}), "
          f"{made['seconds']:.0f} s", file=sys.stderr, flush=True)
    if not args.keep: shutil.rmtree(folder)
    return True

def do_once(args, experiment, path, commands, keep):
    "The commands of an experiment that is one job, if it is wanted and its file is not there; `keep` writes that"
    if path.exists() or not experiment.startswith(tuple(args.only.split(','))): return True
    log = args.runs/f'{experiment}.log'
    for words in commands:
        print(shlex.join(words), file=sys.stderr, flush=True)
        if in_worker(words, log, args.quick): return False
    shown = ' && '.join(map(shlex.join, commands)).replace(f'{args.runs}/', '')
    keep(path, f'OMP_NUM_THREADS={args.threads} {shown}')
    return True

def on_device(args, words): return [*words, '--device', args.device] if args.device else words

def draw_curve(args):
    "The learning curve: on photographs, or tiny on drawn chips"
    data,folder = (str(args.runs/'many') if args.quick else 'elpv'),args.runs/'curve'
    words = ['semicls', 'curve', data, '--out', str(folder), '--recipe', 'quick', '--draws', '2']
    if args.quick: words += ['--points', '4', *[o for change in TINY.split() for o in ('--set',change)]]
    draw = [['semicls', 'synth', '--out', data, '--scale', '.006']] if args.quick else []
    def keep(path, command):
        table = pd.read_csv(folder/'curve.csv')
        runs = [open_run(folder/'runs'/run) for run in table.run]
        ids,y,P = join_preds({run.path.name:pd.read_csv(run/'preds_test.csv') for run in runs})
        group = pd.read_csv(runs[-1]/'table.csv').set_index('id').group.reindex(ids)
        label = np.where(y, 'defect', 'good')
        write_whole(P.assign(label=label, group=group.to_numpy()), path.with_suffix('.parquet'))
        write_whole(table.assign(command=command, commit=runs[0].info['commit']), path)
    return do_once(args, '12_how_many', args.out/'curve.csv', [*draw, on_device(args, words)], keep)

SCRATCH = '--set lrs=1e-4,3e-4,1e-3 --weights none'.split() # Without ImageNet weights the study's rates learn nothing

def train_table(args):
    "The study's two tables, at small scale: on drawn chips, from random weights"
    chips,out = str(args.runs/'drawn'),args.runs/'table'
    small = ['--set', 'sizes=64', '--set', 'frozen_epochs=1', '--set', f'epochs={1 if args.quick else 5}', *SCRATCH]
    archs = 'alexnet,resnet34' if args.quick else 'study'
    words = ['semicls', 'committee', chips, '--arch', archs, '--recipe', 'paper', *small, '--out', str(out)]
    draw = ['semicls', 'synth', '--out', chips, '--scale', '.002' if args.quick else '.02']
    def keep(path, command):
        members = [run for _,run,_ in open_run(out).networks]
        ids,y,P = join_preds({run.info['recipe']['arch']:pd.read_csv(run/'preds_test.csv') for run in members})
        P.insert(0, 'label', np.where(y, 'defect', 'good'))
        write_whole(P.round(6).assign(id=ids, command=[command]+['']*(len(ids)-1)), path)
    return do_once(args, '11_full_table', args.out/'full_table.csv', [draw, on_device(args, words)], keep)

def show(args, pool):
    "Run the notebooks on what is there now: in their place, or beside the stand-ins of `--quick`"
    def execute(notebook):
        log = args.runs/f'{notebook.stem}.log'
        if not in_worker(['notebook', notebook, args.out/notebook.name], log, args.quick): return True
        print(f'{notebook.name}: failed, see {log}', file=sys.stderr, flush=True)
        return False
    notebooks = sorted(o for o in HERE.glob('*.ipynb') if o.name.startswith(tuple(args.only.split(','))))
    return list(pool.map(execute, notebooks))

def drawn(data, folder):
    "The same data for `--quick`: drawn chips, with the same planted in them; cells have other types than chips"
    source,plants = plants_of(data)
    plants = [o.replace('together=60', 'together=2') for o in plants] # of fewer pictures
    few = source!='replica' and not any(o.startswith(('without=','leaks=')) for o in plants)
    if few: return '+'.join([str(folder/'chips'), *plants])
    plants = ['without=scratch' if o in ('without=mono','without=poly') else o for o in plants]
    return '+'.join([str(folder/'replica'), *plants])

def stand_ins(wanted, folder):
    "The same rows for `--quick`. Nobody has voted on drawn chips, so a teacher's marks stand for the experts' votes"
    voted = wanted.changes.str.contains('votes=probability')
    data = wanted.data+voted.map({True:'+taught=efficientnet_lite2', False:''})
    changes = wanted.changes.str.replace('votes=probability', 'votes=taught')
    return wanted.assign(data=[drawn(o, folder) for o in data], changes=changes, scale=.006)

def once(rows):
    "Stand-ins of which each change is trained once. Where it comes again, `quick` stands for it, on the same split"
    changes = rows.changes.map(lambda o: ' '.join(own_changes(o, TINY.split())))
    again = (rows.recipe+' '+changes).duplicated()
    split = rows.changes.str.findall(r'\b(?:test|valid)=\S+').str.join(' ')
    data = rows.data.str.replace(r'\+taught=\w+', '', regex=True)
    return rows.assign(recipe=rows.recipe.mask(again, 'quick'), changes=rows.changes.mask(again, split),
                       data=rows.data.mask(again, data))

def draw_chips(args, rows):
    "Draw what the trainings need and what is not there yet"
    chips = ['semicls', 'synth', str(args.out/'chips'), '--scale', '0.002']
    wanted = [*([chips] if args.quick else []), *[draw_command(row, args.runs) for row in rows if is_replica(row)][:1]]
    for words in wanted:
        if not (Path(words[2])/'truth.csv').exists(): subprocess.run(words, check=True)

def missing(args):
    "Trainings that no row of the results has, in the order of the grid, the first seeds of all arms first"
    grid = read_grid(HERE/'grid.csv')
    grid = grid[grid.experiment.str.startswith(tuple(args.only.split(',')))]
    results = args.out/'results.csv'
    have = set(pd.read_csv(results).run) if results.exists() else set()
    wanted = grid[~grid.run.isin(have)].drop_duplicates('run')
    seeds = '0-1' if args.quick else args.seeds
    if seeds: wanted = wanted[wanted.seed.isin(parse_seeds(seeds))]
    if args.quick and len(wanted): wanted = once(stand_ins(wanted, args.out))
    return wanted.sort_values('seed', kind='stable').to_dict('records')

def parse_args():
    "What was asked"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', default='', help='experiments whose names start so, separated by commas')
    parser.add_argument('--seeds', help="only these, such as '0-2'")
    parser.add_argument('--jobs', type=int, default=1, help='trainings at a time')
    parser.add_argument('--threads', type=int, default=1, help='threads of each; other numbers give other bytes')
    parser.add_argument('--device', help='cpu or cuda; chosen by itself if not given')
    parser.add_argument('--runs', type=Path, default=ROOT/'runs/experiments', help='where runs are made')
    parser.add_argument('--out', type=Path, default=HERE, help='where the three files of results are')
    parser.add_argument('--show', action='store_true', help='then run the notebooks that read the results')
    parser.add_argument('--keep', action='store_true', help='keep the runs with their models')
    parser.add_argument('--quick', action='store_true', help='every arm twice, tiny, on drawn chips')
    args = parser.parse_args()
    if args.quick and args.out==HERE: args.runs = args.out = ROOT/'runs/experiments_quick'
    args.runs,args.out = args.runs.absolute(),args.out.absolute() # workers work at the root
    for folder in (args.runs, args.out): folder.mkdir(parents=True, exist_ok=True)
    return args

def main():
    args,lock = parse_args(),Lock()
    # Workers read these when they begin
    os.environ.update(OMP_NUM_THREADS=str(args.threads), SEMICLS_EXPERIMENTS=str(args.out))
    rows = missing(args)
    draw_chips(args, rows)
    todo = trainings(rows, args)
    print(f'{len(todo)} trainings to do', file=sys.stderr, flush=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        alone = [pool.submit(do, args) for do in (draw_curve, train_table)] # the longest first
        ended = [*pool.map(lambda alike: train(alike, args, lock), todo), *[o.result() for o in alone]]
        if all(ended) and args.show: ended += show(args, pool)
    return ended.count(False)

if __name__=='__main__': sys.exit(main())
