"Heat maps: they turn with the picture, a committee mixes its members, any picture can be overlaid"
import sys
import numpy as np, pytest, torch
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.run import open_run
from semiconductor_cls.line.heat import enlarge, heat_maps, open_explainer, overlay
from semiconductor_cls.line.pointing import find_peak
from semiconductor_cls.base.image import load_image
from semiconductor_cls.learner import create_model

FLIPS = {(3,): np.s_[:,:,::-1], (2,): np.s_[:,::-1], (2,3): np.s_[:,::-1,::-1]}

def test_maps_turn_with_the_picture():
    torch.manual_seed(0)
    model,x = create_model('efficientnet_lite0').eval(),torch.randn(4,3,64,64)
    maps = heat_maps(model, x, tta=True)
    assert maps.any()
    for dims,back in FLIPS.items():
        turned = heat_maps(model, x.flip(dims), tta=True)
        assert np.abs(turned-maps[back]).max()<1e-3
    alone = np.concatenate([heat_maps(model, x[i:i+1], tta=True) for i in range(4)])
    assert np.abs(alone-maps).max()<1e-3, "a picture's map does not depend on its neighbours"

def test_overlay_takes_any_picture():
    for shape in ((30,50), (30,50,3)):
        im = overlay(np.full(shape, 90, np.uint8), np.eye(7))
        assert im.size==(50,30) and im.mode=='RGB'

def test_a_committee_of_one_weight_is_its_member(trained, runs):
    run = open_run(runs/'both')
    chips = [load_image(p) for p in sorted((trained/'parts/defect').glob('*.bmp'))[:5]]
    a,b = (open_explainer(runs/n).maps(chips) for n in 'ab')
    run.update(weights={'a':0.,'b':1.})
    assert np.abs(open_explainer(run).maps(chips)-b).max()<1e-5
    run.update(weights={'a':.25,'b':.75})
    explainer = open_explainer(run)
    mixed = .25*enlarge(torch.from_numpy(a), explainer.size)+.75*b
    got = explainer.maps(chips)
    assert got.shape==(5,48,48)
    for g,m in zip(got, mixed): assert find_peak(g, (48,48))==find_peak(m, (48,48)) or not m.any()

def test_the_extra_is_named(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    told = r"pip install 'semiconductor_cls\[explain\]'"
    with pytest.raises(UserError, match=told): open_explainer(trained/'runs/a')
