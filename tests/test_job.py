"A folder in, a run and its report out: what is refused before training, and what a resumed job keeps"
import dataclasses
from pathlib import Path
import pandas as pd, pytest
from PIL import Image
import semiconductor_cls.jobs.job as job
from conftest import picture, tiny
from semiconductor_cls.all import *

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
