"What scores: a picture scores alike however it comes; no pickle, no older export; a bundle needs no torch"
import io, pickle, subprocess, sys
from pathlib import Path
import numpy as np, pytest
from PIL import Image
from conftest import Brightness, stub_scorer
from hostile import exif_turned, saved, tarred, write, zipped
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.base.run import open_run
from semiconductor_cls.line.heat import open_explainer
from semiconductor_cls.line.export import export_run
from semiconductor_cls.learner import save_model
from semiconductor_cls.line.score import open_scorer, predict_files, score_images
from semiconductor_cls.line.predict import predict_table
from semiconductor_cls.train import load_run_model

def random_image(shape, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
    return Image.fromarray(pixels)

def test_a_picture_scores_alike_however_it_comes(tmp_path, monkeypatch):
    stub_scorer(monkeypatch)
    upright = Image.open(io.BytesIO(exif_turned())).convert('L').rotate(-90, expand=True)
    write('upright.png', saved(upright))(tmp_path)
    write('turned.jpg', exif_turned())(tmp_path)
    im = random_image((50,60))
    for name,mode in dict(a='L', b='RGB', c='P').items(): write(f'{name}.png', saved(im.convert(mode)))(tmp_path)
    (tmp_path/'m.zip').write_bytes(zipped([('d.png', saved(im))]))
    (tmp_path/'m.tgz').write_bytes(tarred([('e.png', saved(im), b'0')], 'w:gz'))
    predict_table('stub', [tmp_path/n for n in ('in','m.zip','m.tgz')], tmp_path/'o.csv')
    scored = read_csv(tmp_path/'o.csv')
    p = scored.set_index(scored.path.map(lambda o: Path(o).stem)).p_defect
    assert p[list('abcde')].nunique()==1
    assert abs(p['upright']-p['turned'])<.01
    ways = [im, io.BytesIO(saved(im)), str(tmp_path/'in/a.png')]
    assert score_images(Brightness(), ways).p_defect.nunique()==1

def test_a_gray_model_sees_colour_alike_everywhere(trained, tmp_path):
    run,path = trained/'runs/a',tmp_path/'c.png'
    tinted = np.random.default_rng(0).random((50,40,3))*[255,90,30]
    Image.fromarray(tinted.astype(np.uint8)).save(path)
    p = predict_files(run, [path]).p_defect[0]
    assert open_run(run).info['channels']==1
    seen = open_explainer(run).scores([np.asarray(Image.open(path))])[0]
    assert abs(seen-p)<1e-5

def test_a_run_with_a_pickle_in_it_scores_nothing(trained, runs):
    (runs/'a/evil.bin').write_bytes(pickle.dumps({'x': Path}, 0))
    with pytest.raises(UserError, match=r'evil\.bin: a pickle can run code'):
        predict_files(runs/'a', [trained/'parts'])

def test_an_export_of_older_weights_is_not_used(runs):
    pytest.importorskip('onnxruntime')
    run = runs/'a'
    export_run(run)
    assert open_scorer(run).runtime=='onnxruntime'
    model = load_run_model(open_run(run))
    model[1][-1].weight.data += 1
    save_model(model, run/'model.safetensors')
    open_run(run).finish() # trained anew
    said = []
    assert open_scorer(run, tell=said.append).runtime=='torch'
    assert 'made of other weights' in said[0]
    with pytest.raises(UserError, match='made of other weights'): open_scorer(run, 'export')

NO_TORCH = """import sys
from semiconductor_cls.cli import main
try: main()
finally: assert not {'torch','fastai','timm'} & sys.modules.keys()
"""

@pytest.mark.parametrize('which', ['a','both'])
def test_predict_needs_no_torch_for_a_bundle(trained, bundles, tmp_path, which):
    images,out = trained/'parts/good',tmp_path/'o.csv'
    args = ['predict', bundles/which, images, '--out', out]
    p = subprocess.run([sys.executable, '-c', NO_TORCH, *map(str, args)], capture_output=True, text=True)
    assert p.returncode==0, p.stderr
    assert np.allclose(read_csv(out).p_defect, predict_files(bundles/which, [images]).p_defect)
