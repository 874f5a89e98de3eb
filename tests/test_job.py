"A folder in, a run and its report out: what is refused before training, and what a resumed job keeps"
import dataclasses, re
from pathlib import Path
import pandas as pd, pytest
from PIL import Image
import semiconductor_cls.jobs.job as job
from conftest import picture, tiny
from semiconductor_cls.all import *
from semiconductor_cls.cli import main

TINY = tiny()

def test_labels_of_another_name_are_refused_and_not_dropped(tmp_path):
    rows = [dict(path=picture(tmp_path/f'{i}.png', i), label=('perhaps','good','defect')[i%3]) for i in range(60)]
    write_csv(pd.DataFrame(rows), tmp_path/'t.csv')
    with pytest.raises(UserError, match='20 labels are neither good nor defect'): prepare(tmp_path/'t.csv', TINY)

def test_resume_refuses_another_split(runs):
    run = runs/'a'
    df = read_csv(run/'table.csv')
    open_run(run).update(status='interrupted')
    other = df.assign(split=df.split[::-1].to_numpy())
    with pytest.raises(UserError, match='cannot resume'): train_table(other, TINY, path=run, resume=True)

def test_resume_keeps_the_choice_of_weights(trained, tmp_path):
    def ctrl_c(line):
        if 'frozen, epoch 1' in line: raise KeyboardInterrupt
    source,run = trained/'parts.csv',tmp_path/'r'
    with pytest.raises(KeyboardInterrupt): train_job(source, TINY, path=run, weights='none', tell=ctrl_c)
    train_job(source, path=run, resume=True) # resnet18 has no packaged weights, so this would ask for some
    assert (run/'preds_test.csv').read_bytes()==(trained/'runs/a/preds_test.csv').read_bytes()

@pytest.mark.parametrize('words,said', {
    '--set epochs=50':'was started with epochs 1, and --set asks for 50; leave --set out',
    '--set sizes=64,96':r'was started with sizes \(32,\), and --set asks for \(64, 96\)',
    '--seed 0':'was started with seed 7, and --seed asks for 0; leave --seed out',
    '--arch resnet18':"was started with arch 'test_resnet', and --arch asks for 'resnet18'",
    '--group ^(.)':"was started with group_by '', and --group asks for",
    '--recipe strong':'was started with .*, and --recipe strong asks for',
    '--folds 3':'this run has no folds'}.items())
def test_resume_refuses_what_it_would_leave_out(trained, runs, words, said, monkeypatch, capsys):
    "Each option that differs, by name, with both values; the same ones again are welcome"
    run = open_run(runs/'a')
    run.update(status='interrupted', seed=7)
    before = (run/'run.json').read_bytes()
    def train(words):
        args = f'train {trained/"parts.csv"} --out {run.path} --resume {words}'
        monkeypatch.setattr('sys.argv', ['semicls', *args.split()])
        with pytest.raises(SystemExit) as e: main()
        return e.value.code,capsys.readouterr().err
    code,err = train(words)
    assert code==1 and re.search(said, err.splitlines()[-1]) and 'Traceback' not in err, err
    assert (run/'run.json').read_bytes()==before
    monkeypatch.setattr(job, 'ready', lambda *_, **__: 1/0) # what comes after the options
    with pytest.raises(ZeroDivisionError): train('--seed 7 --set epochs=1 --set sizes=32 --arch test_resnet')

def test_pages_and_halves_that_are_trained_on_are_said(tmp_path, monkeypatch):
    "By counts and a name, for files of two formats, and no picture is decoded twice"
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    parts = synth_folder(tmp_path/'parts', n_good=40, n_defect=20)
    for i,path in enumerate(parts.path[:3]):
        im = Image.open(path)
        im.save(Path(path).with_suffix('.webp' if i else '.tif'), save_all=True, append_images=[im.rotate(90)])
        Path(path).unlink()
    for path in parts.path[3:5]:
        im = Image.open(path)
        im.paste(0, (0, im.height//3, im.width, im.height))
        im.save(path)
    decoded,said,load = [],[],job.ImageCache.__init__.__globals__['load_image']
    monkeypatch.setattr('semiconductor_cls.cache.load_image', lambda path, *a: decoded.append(path) or load(path, *a))
    ready(tmp_path/'parts', dataclasses.replace(TINY, sizes=(128,)), weights='none', tell=said.append)
    pages,halves = [o for o in said if 'several pages' in o],[o for o in said if 'one value' in o]
    assert len(pages)==1 and re.fullmatch(r'3 files with several pages, such as \S+\.(tif|webp); .*', pages[0])
    assert len(halves)==1 and halves[0].startswith('2 pictures of one value over more than 25% of it'), halves
    assert len(decoded)==len(set(decoded))==60

def test_what_train_leaves_out_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    synth_folder(tmp_path/'parts', n_good=40, n_defect=20)
    for name in ('good/.b.png','defect/@eaDir/c.png','defect/@eaDir/d.png'): picture(tmp_path/'parts'/name)
    for name in ('good/a.gif','good/b.gif','good/c.gif'): (tmp_path/'parts'/name).write_bytes(b'GIF89a')
    said = []
    ready(tmp_path/'parts', TINY, weights='none', tell=said.append)
    assert [o for o in said if 'left out' in o]==["left out: 3 '*.gif', 2 in @eaDir, 1 hidden"]
    for name in ('good/huge.png','defect/huge.tif'):
        with open(tmp_path/'parts'/name, 'wb') as f: f.truncate(1<<38) # a hole, which nobody has the time to hash
    said.clear()
    ready(tmp_path/'parts', TINY, weights='none', tell=said.append)
    huge = [o for o in said if 'huge' in o]
    assert len(huge)==2 and all(o.endswith('(274,878 MB, over the limit of 256 MB)') for o in huge), said

def test_a_device_that_is_not_there_is_one_line_and_leaves_nothing(trained, tmp_path):
    with pytest.raises(UserError, match='--device gpu: cannot be used here'):
        train_job(trained/'parts.csv', TINY, path=tmp_path/'r', weights='none', device='gpu')
    assert not (tmp_path/'r').exists()

def test_an_evaluation_that_fails_costs_no_training(tmp_path, monkeypatch):
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    source,run = tmp_path/'parts',tmp_path/'r'
    synth_folder(source, n_good=40, n_defect=20)
    with monkeypatch.context() as m:
        m.setattr(job, 'evaluate_run', lambda run: 1/0)
        with pytest.raises(ZeroDivisionError): train_job(source, TINY, path=run, weights='none')
    said = []
    train_job(source, TINY, path=run, weights='none', resume=True, tell=said.append)
    assert not any('epoch' in o for o in said)
    assert open_run(run).info['status']=='finished'
    assert not (run/'checkpoint.pt').exists()

def test_twins_in_two_formats_and_turned_copies_never_straddle(tmp_path, monkeypatch):
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    parts = synth_folder(tmp_path/'parts', n_good=40, n_defect=20)
    for i,path in enumerate(parts.path[:20]):
        im = Image.open(path)
        twin = im if i%2 else im.transpose(Image.Transpose.ROTATE_90)
        twin.save(Path(path).with_suffix('.png'))
    df,_ = prepare(tmp_path/'parts', dataclasses.replace(TINY, sizes=(128,)))
    assert df.attrs['copies']==dict(pixel_copy=10, near_copy=10) and not df.attrs['conflicts']
    assert df.groupby(df.path.map(lambda p: Path(p).stem)).split.nunique().max()==1
    assert say_copies(df)==['copies kept in one set with what they are copies of: 10 pixel copies, 10 near copies']

def test_a_run_goes_on_from_the_weights_that_it_started_from(trained, tmp_path):
    "A single one, and a set of folds; else run.json would say what is not so"
    source,run = trained/'parts.csv',tmp_path/'r'
    create_run(run, recipe=dataclasses.asdict(TINY), seed=0, weights_given='none')
    for more in (train_job, folds_job):
        if more is folds_job: open_run(run).update(folds=2)
        with pytest.raises(UserError, match='started from random weights, not from the weights w.pth'):
            more(source, path=run, weights='w.pth', resume=True)
    assert open_run(run).info['weights_given']=='none'
