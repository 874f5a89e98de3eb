"Recipes that cannot be trained are refused before anything is read"
import pytest
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.recipe import PAPER, set_fields

TWICE = 'each size once'
VIT,SWIN = 'arch=vit_tiny_patch16_224','arch=swin_tiny_patch4_window7_224'
LARGE = 'arch=vit_base_patch16_384'
REFUSED = [(['sizes=64,64'], TWICE), (['sizes=128,224,128'], TWICE), ([VIT], 'sizes=224'),
           ([SWIN,'sizes=128'], 'sizes=224'), ([LARGE,'sizes=224'], 'sizes=384')]

@pytest.mark.parametrize('pairs,msg', REFUSED)
def test_sizes_that_cannot_be_trained(pairs, msg):
    with pytest.raises(UserError, match=msg): set_fields(PAPER, pairs)

def test_sizes_that_can():
    assert set_fields(PAPER, [VIT,'sizes=224']).sizes==(224,)
    assert set_fields(PAPER, ['sizes=96,128,160']).sizes==(96,128,160)

def test_a_run_of_before_the_field_opens_with_all_five_augmentations(tmp_path):
    import dataclasses
    from semiconductor_cls.base.run import create_run
    from semiconductor_cls.data import AUGS
    from semiconductor_cls.jobs.job import saved_recipe
    fields = dataclasses.asdict(PAPER)
    del fields['augs']
    old = saved_recipe(create_run(tmp_path/'old', recipe=fields))
    assert (old.augs, old)==(AUGS, PAPER)
    no_warp = set_fields(PAPER, ['augs=flip,rotate,zoom,lighting'])
    assert saved_recipe(create_run(tmp_path/'new', recipe=dataclasses.asdict(no_warp)))==no_warp!=PAPER

def test_a_left_out_augmentation_never_happens_in_training_and_the_default_is_what_it_was():
    import numpy as np
    from semiconductor_cls.data import AUGS, study_augs
    ramp = np.arange(256, dtype=np.uint8).reshape(16,16)
    for name in AUGS:
        only = study_augs(1., seed=0, augs=(name,))
        changed = sum(not np.array_equal(only(image=ramp)['image'], ramp) for _ in range(10))
        happens = [type(aug).__name__ for aug in only.transforms if aug.p]
        assert changed>=5 and len(happens)==(2 if name in ('flip','lighting') else 1), name
    assert [aug.p for aug in study_augs().transforms]==[.5]*7
