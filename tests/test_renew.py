"The loop closes: verdicts join a run's training pictures, and the new run is compared on the same test set"
from pathlib import Path
import pandas as pd
from conftest import part
from semiconductor_cls.base.table import read_csv, write_csv

def test_verdicts_train_a_new_run_that_is_compared_on_the_same_test_set(trained, tmp_path, semicls):
    run,v = trained/'runs/a',tmp_path/'v'
    v.mkdir()
    table = read_csv(run/'table.csv')
    rows = []
    for i,label in enumerate(['good','defect','good','defect']):
        part(v/f'{i}.png', label=='defect', 900+i)
        rows.append(dict(path=f'{i}.png', label=label))
    test = table[table.split=='test'].iloc[0]
    (v/'same.bmp').write_bytes(Path(test.path).read_bytes())
    other = 'good' if test.label=='defect' else 'defect'
    write_csv(pd.DataFrame([*rows, dict(path='same.bmp', label=other)]), v/'verdicts.csv')
    made = semicls('train', run, '--add', v/'verdicts.csv', '--name', 'new', '--weights', 'none')
    assert made.returncode==0, made.err
    assert 'verdicts: 4 new training pictures' in made.err and '1 against its label' in made.err
    assert f'same.bmp is {other} by verdict and {test.label} in the run' in made.err
    new = read_csv(tmp_path/'runs/new/table.csv')
    for split,more in (('train',4), ('valid',0), ('test',0)):
        assert (new.split==split).sum()==(table.split==split).sum()+more
    said = semicls('compare', run, 'runs/new')
    assert said.returncode==0 and 'new' in said.out, said.err
    refused = semicls('train', run, '--add', v/'verdicts.csv', '--name', 'other', '--set', 'epochs=2')
    assert refused.returncode==1 and 'leave out --recipe' in refused.err, refused.err
