"Which sizes a backbone takes; the study's recipe, short and whole, for each backbone of the study"
import dataclasses
import numpy as np, pytest
from semiconductor_cls.all import *

VITS = ('vit_tiny_patch16_224','swin_tiny_patch4_window7_224','swinv2_tiny_window8_256')
CONVS = ('alexnet','resnet50','efficientnet_lite0','efficientnet_b7','convnext_tiny')

def test_only_backbones_with_positions_have_one_size():
    assert [fixed_size(o) for o in VITS]==[224,224,256]
    assert {fixed_size(o) for o in CONVS}=={None}
    with pytest.raises(UserError, match='no such architecture'): fixed_size('resnt50')

def drawn(path, n):
    "`n` drawn chips of each class, hashed"
    df = synth_folder(path, n_good=n, n_defect=n, seed=0)
    return df.assign(hash=[file_md5(p) for p in df.path])

@pytest.mark.slow
@pytest.mark.parametrize('arch', STUDY_ARCHS)
def test_two_steps_of_the_study_at_native_size(arch, tmp_path):
    df = split_table(drawn(tmp_path/'chips', 10), test=.5, valid=.5)
    valid = df.split=='valid' # few images: b7 is large
    df.loc[valid, 'split'] = np.where(np.arange(valid.sum())%4<2, 'valid', 'test')
    r = dataclasses.replace(PAPER, arch=arch, sizes=(arch_cfg(arch)['size'],), frozen_epochs=1, epochs=1, bs=2)
    steps = []
    def log(learn, row, these, *_): steps.extend(these)
    learn = fit_recipe(df, r, weights='none', device='cpu', folder=tmp_path/'cache', log=log)
    assert len(steps)>=4 and {o['stage'] for o in steps}=={'frozen','unfrozen'}
    p = predict_rows(learn.model, learn.dls, df.index[df.split=='test'][:2])
    assert p.shape==(2,) and np.isfinite(p).all()
    assert (p>=0).all() and (p<=1).all()
    unfrozen = [o for o in steps if o['stage']=='unfrozen']
    for i,lr in enumerate(PAPER.lrs): # two steps: the second, at 50 %, is at 0.81 of the peak
        assert .8*lr<max(o[f'lr_{i}'] for o in unfrozen)<=lr*1.0001
    groups = study_splitter(learn.model)
    assert [i for i in range(3) if any(w.requires_grad for w in groups[i])]==[0,1,2]

@pytest.mark.slow
@pytest.mark.parametrize('arch', STUDY_ARCHS)
def test_the_recipe_untouched(arch, tmp_path):
    "One step an epoch: 3 + 10 epochs at 128 and at 224 px, and each stage reaches its peak"
    df,r = drawn(tmp_path/'chips', 8),set_fields(PAPER, [f'arch={arch}'])
    assert r==dataclasses.replace(PAPER, arch=arch)
    rows,steps = [],[]
    def log(learn, row, these, *_):
        rows.append(row)
        steps.extend(these)
    learn = fit_recipe(split_table(df), r, weights='none', device='cpu', folder=tmp_path/'cache', log=log)
    both = (('frozen',3), ('unfrozen',10))
    want = [(sz,stage,epoch+1) for sz in (128,224) for stage,n in both for epoch in range(n)]
    for seen in (rows, steps): assert [(o['size'],o['stage'],o['epoch']) for o in seen]==want
    for sz in (128,224):
        for stage,peaks in (('frozen',[1e-3]*3), ('unfrozen',PAPER.lrs)):
            mine = [o for o in steps if (o['size'],o['stage'])==(sz,stage)]
            for i,lr in enumerate(peaks): assert max(o[f'lr_{i}'] for o in mine)==pytest.approx(lr, rel=.01)
    assert all(np.isfinite(o['loss']) for o in steps)
    assert learn.model[1][4].in_features==2*learn.model[0].num_features
