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
