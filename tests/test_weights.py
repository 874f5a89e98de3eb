"Weights that come as a file: torchvision's names and order"
import pytest, torch, torchvision
from safetensors.torch import save_file
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.backbones import Body
from semiconductor_cls.weights import load_pretrained

FILES = [('alexnet','safetensors'), ('alexnet','pth'), ('resnet50','safetensors'), ('densenet169','safetensors'),
         ('efficientnet_b5','pth')]

@pytest.mark.parametrize('arch,ext', FILES)
def test_weights_of_torchvision_by_file(arch, ext, tmp_path):
    state,p = getattr(torchvision.models, arch)().state_dict(),tmp_path/f'w.{ext}'
    save = save_file if ext=='safetensors' else torch.save
    save(state, p)
    body = Body(arch)
    assert load_pretrained(body, arch, p)==p.name
    p.unlink() # large
    ours,theirs = ([v for v in o.values() if v.ndim==4] for o in (body.state_dict(), state))
    assert len(ours)==len(theirs)
    assert all(map(torch.equal, ours, theirs))

def test_names_of_others_need_the_order_of_a_pth(tmp_path):
    p,arch = tmp_path/'w.safetensors','tf_efficientnet_b0'
    save_file(torchvision.models.efficientnet_b0().state_dict(), p) # sorted by name
    told = 'does not fit.*paired by order.*try the .pth'
    with pytest.raises(UserError, match=told): load_pretrained(Body(arch), arch, p)
