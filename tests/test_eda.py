"What gives a label away, and defects too small to be seen: said by eda and by train alike"

import numpy as np, pandas as pd, pytest
from PIL import Image
from conftest import tiny
from semiconductor_cls.base.run import open_run
from semiconductor_cls.inspect import inspect
from semiconductor_cls.jobs.job import find_risks, train_job

from semiconductor_cls.source import read_source

def camera(name):
    "EXIF data that name a camera"
    exif = Image.Exif()
    exif[271],exif[272] = 'ACME',name
    return exif

def write(root, n=12, ext=('png','png'), size=(80,60), **save):
    "`n` pictures of each class; `ext` and each of `save` are a pair: of the good parts and of the defects"
    rng = np.random.default_rng(0)
    for bad,label in enumerate(('good','defect')):
        (root/label).mkdir(parents=True)
        for i in range(n):
            pixels = np.kron(rng.normal(120, 30, (6,8)), np.ones((size[1]//6,size[0]//8)))+rng.normal(0, 4, size[::-1])
            kind = {name:pair[bad] for name,pair in save.items()}
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root/label/f'{i}.{ext[bad]}', **kind)
    return root

def said(root):
    "What eda says, and what train says"
    return inspect(root)[1]['shortcuts'], find_risks(read_source(root), 128)

def test_another_camera_gives_the_label_away(tmp_path):
    exif = camera('Line 4'),camera('Line 9')
    eda,train = said(write(tmp_path/'p', ext=('jpg','jpg'), exif=exif))
    assert eda==train and len(eda)==1
    assert eda[0].startswith('The camera alone gives the label away: ') and 'ACME Line' in eda[0]

def test_another_file_format_gives_the_label_away(tmp_path):
    eda,train = said(write(tmp_path/'p', ext=('bmp','jpg')))
    assert eda==train and [o.split(' alone')[0] for o in eda]==['The file format']

@pytest.mark.parametrize('tag,words,what', [(305, ('Tool 1','Tool 2'), 'software'),
                                            (306, ('2024:01:02 03:04:05','2024:05:06 03:04:05'), 'day (EXIF)')])
def test_another_software_or_day_gives_the_label_away(tmp_path, tag, words, what):
    exif = [Image.Exif(), Image.Exif()]
    for o,word in zip(exif, words): o[tag] = word
    eda,train = said(write(tmp_path/'p', ext=('jpg','jpg'), exif=exif))
    assert eda==train and [o.split(' alone')[0] for o in eda]==[f'The {what}']

@pytest.mark.parametrize('kw,what', [(dict(quality=(75,95)), 'JPEG quality'),
                                     (dict(dpi=((72,72),(300,300))), 'resolution (DPI)')])
def test_another_quality_or_resolution_gives_the_label_away(tmp_path, kw, what):
    eda,train = said(write(tmp_path/'p', ext=('jpg','jpg'), **kw))
    assert eda==train and [o.split(' alone')[0] for o in eda]==[f'The {what}']

@pytest.mark.parametrize('ext', ['jpg','tif'])
def test_one_camera_and_an_ending_that_only_looks_otherwise_say_nothing(tmp_path, ext):
    pair = ('jpg','jpeg') if ext=='jpg' else ('tif','tiff')
    assert said(write(tmp_path/'p', ext=pair, exif=(camera('Line 4'),)*2))==([], [])

def boxed(root, side, size):
    "A table whose defects have boxes of some side"
    write(root, size=size)
    rows = [dict(path=f'{label}/{i}.png', label=label) for label in ('good','defect') for i in range(12)]
    box = dict(x_1=5, y_1=5, x_2=4+side, y_2=4+2*side)
    rows = [row | (box if row['label']=='defect' else {}) for row in rows]
    pd.DataFrame(rows).to_csv(root/'t.csv', index=False)
    return root/'t.csv'

def test_small_defects_are_a_finding_and_a_line_with_the_size_that_would_do(tmp_path):
    table = boxed(tmp_path/'p', 20, (640,480))    # 20 of 640 pixels are 4 of 128
    _,summary,found = inspect(table)
    assert 'sizes=384 would do' in summary['small_defects']
    assert found.detail[found.kind=='small_defects'].tolist()==[summary['small_defects']]
    assert find_risks(read_source(table), 128)==[summary['small_defects']]
    assert find_risks(read_source(table), 384)==[]

def test_boxes_that_stay_large_enough_say_nothing(tmp_path):
    table = boxed(tmp_path/'p', 20, (80,60))    # the same pixels of a smaller picture
    _,summary,found = inspect(table)
    assert summary['small_defects']=='' and 'small_defects' not in set(found.kind)
    assert find_risks(read_source(table), 128)==[]

def test_train_says_it_and_its_report_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    root,lines = write(tmp_path/'p', n=16, ext=('jpg','jpg'), exif=(camera('A'),camera('B'))),[]

    train_job(root, tiny(), path=tmp_path/'run', weights='none', tell=lines.append)
    line = next(o for o in lines if o.startswith('The camera alone'))
    assert open_run(tmp_path/'run').info['risks']==[line]
    assert line in (tmp_path/'run/report.html').read_text()
