"What an epoch draws, and what is done to it"
import pytest, torch
from fastai.vision.all import TensorImage, set_seed
from conftest import picture
from semiconductor_cls.base.table import CLASSES, make_table
from semiconductor_cls.cache import ImageCache
from semiconductor_cls.data import batch_augs, make_dls
from semiconductor_cls.train import seed_epoch

def test_fewer_images_than_a_batch(tmp_path):
    rows = []
    for i in range(40):
        path = picture(tmp_path/f'{i}.png', 5*i)
        rows.append(dict(path=path, label=CLASSES[i%2], split='train' if i<20 else 'valid'))
    df = make_table(rows)
    dls = make_dls(df, ImageCache(df, 32, tmp_path/'c'), bs=32, device='cpu')
    assert len(dls.train)==1

@pytest.mark.parametrize('workers', [0,2])
def test_without_balance_each_image_is_drawn_once(hashed, tmp_path, workers):
    cache = ImageCache(hashed, 32, tmp_path/'c')
    dls = make_dls(hashed, cache, bs=10, balanced=False, device='cpu', num_workers=workers)
    def drawn(*key):
        seed_epoch(dls, *key)
        xs,ys = zip(*dls.train)
        return torch.cat(xs),torch.cat(ys)
    x,y = drawn(0,1)
    assert len(dls.train)==3
    assert len(x)==30 and len(torch.unique(x.flatten(1), dim=0))==30, 'of 32: the last two fill no batch'
    assert (hashed.label[hashed.split=='train']=='defect').sum()==8
    assert 6<=int(y.sum())<=8
    again,other = drawn(0,1)[0],drawn(0,2)[0]
    assert torch.equal(x, again)
    assert not torch.equal(x, other)

def test_with_balance_the_classes_come_one_to_one(hashed, tmp_path):
    dls = make_dls(hashed, ImageCache(hashed, 32, tmp_path/'c'), bs=10, device='cpu')
    set_seed(0)
    ys = torch.cat([y for _ in range(20) for _,y in dls.train])
    assert .42<ys.float().mean()<.58

def test_zoom_keeps_the_middle():
    x = torch.zeros(50,1,33,33)
    x[:,:,16,16] = 1
    set_seed(0)
    zoom = next(t for t in batch_augs(1.) if type(t).__name__=='Zoom')
    y = zoom(TensorImage(x), split_idx=0)
    assert (y.flatten(1).argmax(1)==16*33+16).all()
    assert (y[:,0,16,16]>.99).all()

@pytest.mark.parametrize('words', ['data import *; print(len(chip_dls("{}", sz=32, bs=8).one_batch()))',
                                   'split import *; from semiconductor_cls.source import *; '
                                   'print(split_table(read_source("{}"), test=.4).split.nunique()-1)'])
def test_a_room_that_is_imported_alone_lacks_nothing(semicls, parts, words):
    "A notebook's hidden imports, and other rooms, bring patches that its own code may need"
    for name in ('ok/zero.png','ng/cut.bmp'): (parts/name).unlink()
    for old,new in (('ok','good'), ('ng','defect')): (parts/old).rename(parts/new)
    done = semicls(code=f'from semiconductor_cls.{words.format(parts)}')
    assert done.out.strip()=='2', done.err
