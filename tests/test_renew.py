"The loop closes: verdicts join a run's training pictures, and the new run is compared on the same test set"
import hashlib
from dataclasses import replace
from pathlib import Path
import pandas as pd, pytest
from PIL import Image
from conftest import part
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import file_md5
from semiconductor_cls.base.run import create_run, open_run
from semiconductor_cls.base.table import make_table, read_csv, write_csv
from semiconductor_cls.station.verdicts import verdicts_to_add
from semiconductor_cls.jobs.job import ready
from semiconductor_cls.jobs.renew import add_to_table, table_beside
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.source import read_source
from semiconductor_cls.split import split_table
from semiconductor_cls.station.verdicts import Verdicts, add_image, add_verdict, export_verdicts, training_table

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
    dry = semicls('train', run, '--add', v/'verdicts.csv', '--name', 'new', '--dry-run')
    assert dry.returncode==0 and f'would read: {len(table)+4} images' in dry.out and 'new_table.csv' in dry.out, dry.err
    assert 'against its label' in dry.err and not (tmp_path/'runs').exists()
    made = semicls('train', run, '--add', v/'verdicts.csv', '--name', 'new', '--weights', 'none')
    assert made.returncode==0, made.err
    assert 'verdicts: 4 new training pictures' in made.err and '1 against its label' in made.err
    assert f'same.bmp is {other} by verdict and {test.label} in the run' in made.err
    new = read_csv(tmp_path/'runs/new/table.csv')
    for split,more in (('train',4), ('valid',0), ('test',0)):
        assert (new.split==split).sum()==(table.split==split).sum()+more
    said = semicls('compare', run, 'runs/new')
    assert said.returncode==0 and 'new' in said.out, said.err
    for given in (['--set','epochs=2'], ['--recipe','quick'], ['--good','good']):
        refused = semicls('train', run, '--add', v/'verdicts.csv', '--name', 'other', *given)
        assert refused.returncode==1 and 'leave out --recipe' in refused.err, refused.err

def grouped_run(path, by):
    "A run whose table has two photographs of each part, a lot, strata and a user's column; parts 0 to 3 are test"
    rows,sets = [],['test']*4+['valid']*4+['train']*8
    for i,split in enumerate(sets):
        label = ('good','defect')[i%2]
        for c in (1,2):
            part(path/f'parts/d{i:02d}_cam{c}.png', i%2, 10*i+c)
            rows.append(dict(path=str(path/f'parts/d{i:02d}_cam{c}.png'), label=label, split=split, lot=f'L{i//4}',
                             stratum=('mono','poly')[i//2%2], tray=70+i, group=i))
    table = make_table(rows)
    run = create_run(path/'run', recipe=dict(group_by=by))
    write_csv(table.assign(hash=[file_md5(o) for o in table.path]), run/'table.csv')
    run.update(status='finished')
    return run

def judged(path, names, journal=True, **more):
    "What a station exports: pictures by their hash, and their names in journal.csv"
    for i in range(len(names)): part(path/f'store/{i}.png', i%2, 1000+i)
    digits = [hashlib.sha256((path/f'store/{i}.png').read_bytes()).hexdigest() for i in range(len(names))]
    rows = [dict(path=f'store/{i}.png', label=('good','defect')[i%2], sha256=o) for i,o in enumerate(digits)]
    if journal: write_csv(pd.DataFrame(dict(name=names, sha256=[o['sha256'] for o in rows])), path/'journal.csv')
    write_csv(pd.DataFrame(rows).assign(**more), path/'verdicts.csv')
    return path/'verdicts.csv'

NAMES = ['d00_cam3.png','d05_cam3.png','d09_cam3.png','d99_cam3.png','other.png']

def test_a_picture_of_a_test_part_does_not_train(tmp_path):
    "By the name that it had at the station; a new view of a training part joins that part"
    run,said = grouped_run(tmp_path, '^(.+)_cam'),[]
    both = add_to_table(run, judged(tmp_path/'v', NAMES), said.append)
    new = both[both.by_verdict=='new']
    assert [Path(o).name for o in new.path]==['2.png','3.png','4.png'] and set(new.split)=={'train'}
    assert said[0].startswith('verdicts: 3 new pictures') and '2 of parts in its validation or test set' in said[0]
    assert said[1].startswith("1 new picture without a part by --group '^(.+)_cam'")
    assert new.group.iloc[0]==both.group[both.id=='d09_cam1'].iloc[0] and new.group.nunique()==3
    with pytest.raises(UserError, match='no new picture'): add_to_table(run, judged(tmp_path/'w', NAMES[:2]))
    blind = [] # without journal.csv nobody knows the names, which is said
    add_to_table(run, judged(tmp_path/'x', NAMES, journal=False), blind.append)
    assert '5 new pictures without a part' in blind[1]

def test_a_lot_of_the_test_set_does_not_train(tmp_path):
    run,said = grouped_run(tmp_path, 'lot'),[]
    both = add_to_table(run, judged(tmp_path/'v', NAMES, lot=['L0','L1','L2','L9',None]), said.append)
    assert '3 new pictures' in said[0] and '2 of parts in its validation or test set' in said[0]
    assert both.lot[both.by_verdict=='new'].tolist()==['L2','L9',None]

def renewed(run, verdicts, path, tell=print):
    "The table that a new run is trained on, as `train RUN --add` writes it"
    write_csv(add_to_table(run, verdicts, tell), table_beside(path))
    return table_beside(path)

def test_all_columns_of_the_run_stay(tmp_path):
    "Through two renewals, as training reads them"
    run = grouped_run(tmp_path, '')
    table = read_csv(run.file('table.csv'))
    back = read_source(renewed(run, judged(tmp_path/'v', NAMES[3:]), tmp_path/'new'))
    for col in ('label','split','lot','stratum','tray'):
        assert back.set_index('id')[col][table.id].tolist()==table[col].tolist(), col
    again = create_run(tmp_path/'run2', recipe=dict(group_by=''))
    split = split_table(back.assign(hash=[file_md5(o) for o in back.path]))
    write_csv(split, again/'table.csv')
    again.update(status='finished')
    part(tmp_path/'w/store/0.png', 0, 2000)
    (tmp_path/'w/verdicts.csv').write_text('path,label\nstore/0.png,good\n')
    last = read_source(renewed(again, tmp_path/'w/verdicts.csv', tmp_path/'new2'))
    assert last.by_verdict.value_counts().to_dict()==dict(before=2, new=1)
    for col in ('split','lot','stratum','tray'):
        assert last.set_index('id')[col][table.id].tolist()==table[col].tolist(), col
    assert last.set_index('id').own_group[table.id].map(int).tolist()==table.group.tolist()

def test_new_training_pictures_are_counted_after_the_split(tmp_path):
    "A copy of a test picture in another format joins the test set's group, and does not train"
    run,said,v = grouped_run(tmp_path, ''),[],tmp_path/'v'
    part(v/'new.png', 0, 3000)
    Image.open(tmp_path/'parts/d01_cam1.png').save(v/'copy.bmp')
    write_csv(pd.DataFrame(dict(path=['new.png','copy.bmp'], label=['good','defect'])), v/'verdicts.csv')
    r = replace(QUICK, arch='test_resnet', sizes=(32,), tta='')
    ready(renewed(run, v/'verdicts.csv', tmp_path/'new', said.append), r, weights='none', tell=said.append)
    counts = [o for o in said if o.startswith('verdicts:')]
    assert counts[0].startswith('verdicts: 2 new pictures; ')
    assert counts[1:]==['verdicts: 1 new training picture; left out: '
                        '1 of parts in the validation or test set']
    write_csv(pd.DataFrame(dict(path=['copy.bmp'], label=['defect'])), v/'verdicts.csv')
    with pytest.raises(UserError, match='no picture of the verdicts can train'):
        ready(renewed(run, v/'verdicts.csv', tmp_path/'new'), r, weights='none')

@pytest.mark.parametrize('rows,want', [
    ('a.png,good\nb.png,maybe\n', 'labels are neither good nor defect'),
    ('a.png,good\nsame.png,defect\n', 'a.png is good and .*same.png, with the same bytes, is defect')])
def test_verdicts_that_contradict_or_say_nothing_known_are_refused(rows, want, tmp_path):
    run,v = grouped_run(tmp_path, ''),tmp_path/'v'
    for name,seed in (('a.png',1), ('b.png',2), ('same.png',1)): part(v/name, 0, 4000+seed)
    (v/'verdicts.csv').write_text(f'path,label\n{rows}')
    with pytest.raises(UserError, match=want): add_to_table(run, v/'verdicts.csv')

def test_what_is_left_out_of_the_verdicts_is_counted(tmp_path):
    run,said,v = grouped_run(tmp_path, ''),[],tmp_path/'v'
    for name,seed in (('a.png',1), ('b.png',2), ('same.png',1)): part(v/name, 0, 4000+seed)
    (v/'verdicts.csv').write_text('path,label\na.png,\nsame.png,good\n,good\nb.png,\n')
    both = add_to_table(run, v/'verdicts.csv', said.append)
    assert [Path(o).name for o in both.path[both.by_verdict=='new']]==['same.png'], 'the row with a label counts'
    assert said[0].endswith('1 without a label, 1 with the bytes of another one, 1 without a path')

def judge_more(v, *labels):
    "Ann judges as many new pictures as there are verdicts; the hash of the last one"
    for verdict in labels:
        n = len(training_table(v))
        part(v.path/f'in/{n}.png', verdict=='reject', 900+n)
        h = add_image(v, (v.path/f'in/{n}.png').read_bytes(), 'PNG', {})
        add_verdict(v, h, verdict, 'ann', 'm@1', .5, .5)
    return h

def test_a_table_that_is_older_than_the_verdicts_does_not_train(tmp_path):
    "One is missing; one was said otherwise; the folder reads what stands, and a selection of true rows trains"
    v = Verdicts(tmp_path/'v')
    h = judge_more(v, 'pass', 'reject')
    table,way_out = export_verdicts(v),f'differs from verdicts.db .* --add {tmp_path}/v reads what stands now'
    assert verdicts_to_add(table)==table
    add_verdict(v, h, 'pass', 'ann', 'm@1', .5, .5)
    with pytest.raises(UserError, match=way_out): verdicts_to_add(table)
    assert verdicts_to_add(tmp_path/'v')==table and read_csv(table).label.tolist()==['good','good']
    judge_more(v, 'reject')
    with pytest.raises(UserError, match=way_out): verdicts_to_add(table)
    chosen = table.rename(tmp_path/'v/chosen.csv')
    assert verdicts_to_add(chosen)==chosen

def test_what_is_refused_leaves_the_table_and_the_words_of_others(trained, tmp_path, semicls):
    "Device, engine, jobs, a committee, a table of somebody else"
    run,v = trained/'runs/a',judged(tmp_path/'v', NAMES)
    for words in ('--device cuda', '--engine rai', '--jobs 2'):
        p = semicls('train', run, '--add', v, '--name', 'new', *words.split())
        assert p.returncode==1 and words.split()[0] in p.err, p.err
    p = semicls('train', trained/'runs/both', '--add', v, '--name', 'new')
    assert p.returncode==1 and 'is a committee' in p.err and 'runs/a' in p.err, p.err
    assert not (tmp_path/'runs').exists() or not [*(tmp_path/'runs').glob('*')]
    (tmp_path/'runs').mkdir(exist_ok=True)
    (tmp_path/'runs/new_table.csv').write_text('part,note\n1,ask Ada\n')
    p = semicls('train', run, '--add', v, '--name', 'new')
    assert p.returncode==1 and 'no table of a run with verdicts' in p.err, p.err
    assert (tmp_path/'runs/new_table.csv').read_text()=='part,note\n1,ask Ada\n'

def test_a_renewed_run_has_seed_and_start_of_the_old_one_and_goes_on_from_it_alone(trained, tmp_path, semicls):
    run,v = trained/'runs/a',judged(tmp_path/'v', NAMES)
    made = semicls('train', run, '--add', v, '--name', 'new')
    assert made.returncode==0, made.err
    info,old = open_run(tmp_path/'runs/new').info,open_run(run).info
    assert [info[k] for k in ('seed','weights_given')]==[old['seed'],old['weights_given']]==[0,'none']
    assert info['renewed']==dict(run=str(run), verdicts=str(v))
    again = semicls('train', run, '--add', v, '--name', 'new', '--resume')
    assert again.returncode==0 and 'finished already' in again.err, again.err
    for data,add in ((trained/'runs/b',v), (run,tmp_path/'v/nothere.csv')):
        p = semicls('train', data, '--add', add, '--name', 'new', '--resume')
        assert p.returncode==1 and 'runs/new: was made of' in p.err, p.err
