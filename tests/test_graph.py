"The graph of a run: every packaged backbone scores as in torch, and a graph that drifts is not exported"
import numpy as np, pytest
from semiconductor_cls.line.runtime import RUNTIMES, onnx_scorer, openvino_scorer
from semiconductor_cls.line.bundle import drawn_pictures
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.line.graph import to_openvino, torch_scores, write_onnx
from semiconductor_cls.line.export import export_run
from semiconductor_cls.backbones import arch_cfg
from semiconductor_cls.weights import load_pretrained, packaged_weights
from semiconductor_cls.learner import create_model

for o in ('onnx','onnxscript','onnxruntime','openvino'): pytest.importorskip(o)

OTHERS = [pytest.param(f'efficientnet_lite{i}', marks=pytest.mark.slow) for i in (1,2)]

@pytest.mark.parametrize('arch', ['efficientnet_lite0', *OTHERS])
def test_parity_of_every_packaged_backbone(arch, tmp_path):
    model,graph = create_model(arch, 'concat', 64),tmp_path/'m.onnx'
    load_pretrained(model[0], arch, None if packaged_weights(arch) else 'none')
    facts = dict(arch=arch, pool='concat', side=64, stats=arch_cfg(arch)['stats'], tta='flips', weight=1.)
    members = [dict(name='m', model=model.eval(), **facts)]
    write_onnx(members, graph)
    random = np.random.default_rng(0).integers(0, 256, (15,64,64,3), dtype=np.uint8)
    xs = {64: np.concatenate([drawn_pictures(64), random])} # one whole piece and a rest
    want = torch_scores(members, xs)
    for score in (onnx_scorer(graph.read_bytes()), openvino_scorer(to_openvino(graph))):
        assert np.abs(score(xs, 19)-want).max()<1e-4

def test_drift_is_refused_and_leaves_nothing(trained, tmp_path, monkeypatch):
    runtime,out = RUNTIMES['onnx'],tmp_path/'out'
    for off in (2e-4, np.nan):
        def drifting(graph, threads=None):
            score = runtime.open(graph, threads)
            return lambda xs,n: score(xs, n)+off
        monkeypatch.setitem(RUNTIMES, 'onnx', runtime._replace(open=drifting))
        with pytest.raises(UserError, match='not exported, its scores are'): export_run(trained/'runs/a', out=out/'x')
        assert not any(out.iterdir())
