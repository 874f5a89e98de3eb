"Stopped after any epoch, a run ends like one that was never stopped; recipes that cannot be trained are refused"
import dataclasses
import pytest
from semiconductor_cls.all import *

class Stop(Exception): pass

@pytest.fixture
def chips(tmp_path):
    df = synth_folder(tmp_path/'chips', n_good=30, n_defect=10)
    df['hash'] = [file_md5(p) for p in df.path]
    return split_table(df)

def test_stopped_after_each_epoch_in_turn(chips, tmp_path):
    "Two frozen stages and two others, so a stop falls before, in and after each, and after the last epoch; what a killed process left half written goes"
    r = dataclasses.replace(PAPER, arch='test_resnet', sizes=(32,48), frozen_epochs=2, epochs=2, bs=8, ema=.9, mixup=.2)
    def train(run, tell=lambda row: None): return train_run(chips, run, r, weights='none', device='cpu', folder=tmp_path/'cache', tell=tell)
    def stop(row): raise Stop('power cut')
    whole,cut = create_run(tmp_path/'whole'),create_run(tmp_path/'cut')
    train(whole)
    for i in range(8):
        with pytest.raises(Stop): train(cut, stop)
        (cut/'.model.safetensors.1-1.tmp').write_bytes(b'half a model')
    train(cut, stop) # no epoch is left, only the predictions
    for f in ('preds_test.csv','preds_valid.csv','model.safetensors'): assert (whole/f).read_bytes()==(cut/f).read_bytes()
    assert len(read_csv(cut/'history.csv'))==8 and not list(cut.path.rglob('.*.tmp'))

def test_body_frozen_again_stays_as_it_is(chips, tmp_path):
    "The second frozen stage follows one in which the body learned"
    r,seen = dataclasses.replace(PAPER, arch='test_resnet', sizes=(32,48), frozen_epochs=2, epochs=1, bs=8),[]
    def log(learn, row, *_): seen.append([p.detach().clone() for p in learn.model[0].parameters() if p.ndim>1])
    fit_recipe(chips, r, weights='none', device='cpu', folder=tmp_path/'cache', log=log)
    same = [all((a==b).all() for a,b in zip(*o)) for o in zip(seen, seen[1:])]
    assert same==[True,False,True,True,False] # two frozen epochs, one unfrozen, twice

@pytest.mark.parametrize('pairs,msg', [(['sizes=64,64'],'each size once'), (['sizes=128,224,128'],'each size once'), (['arch=vit_tiny_patch16_224'],'sizes=224'),
    (['arch=swin_tiny_patch4_window7_224','sizes=128'],'sizes=224'), (['arch=vit_base_patch16_384','sizes=224'],'sizes=384')])
def test_sizes_that_cannot_be_trained(pairs, msg):
    with pytest.raises(UserError, match=msg): set_fields(PAPER, pairs)

def test_sizes_that_can():
    assert set_fields(PAPER, ['arch=vit_tiny_patch16_224','sizes=224']).sizes==(224,)
    assert set_fields(PAPER, ['sizes=96,128,160']).sizes==(96,128,160)
