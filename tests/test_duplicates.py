"Copies: which one stays, and that tiny, blank and huge pictures are compared too"
from pathlib import Path
import numpy as np
from PIL import Image
from conftest import picture
from semiconductor_cls.base.table import make_table
from semiconductor_cls.duplicates import group_copies
from semiconductor_cls.inspect import inspect

def test_a_labelled_copy_stays_rather_than_one_without_a_label(tmp_path):
    a,b = (picture(tmp_path/f'{n}.png') for n in 'ab')
    df = make_table([dict(path=a), dict(path=b, label='defect')])
    df = group_copies(df.assign(hash='h', pixel_hash='h', reason=None))
    assert Path(df.copy_of[df.id=='a'].iloc[0]).stem=='b'

def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)

def test_tiny_blank_and_huge_pictures(tmp_path):
    rng,root = np.random.default_rng(0),tmp_path/'t'
    for label,value in (('good',40), ('defect',41)):
        for i in range(2): save(rng.integers(0, 255, (9,9)), root/label/f'tiny{i}.png')
        save(np.full((100,100), value), root/label/'blank.png')
    big = rng.integers(0, 255, (40,50), np.uint8).repeat(50, 0).repeat(50, 1)
    save(big, root/'good/big.png')
    save(big//2+40, root/'good/dim.png')
    df,summary,_ = inspect(root)
    assert summary['n_near_duplicates']==1
    assert summary['n_broken']==0
    assert df.group.nunique()==len(df)-1
