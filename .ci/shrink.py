"Pictures in notebooks as 64 colours, photographs as JPEG: `python .ci/shrink.py nbs/*.ipynb`; what is small already stays as it is"
import base64, io, sys
import nbformat
from PIL import Image

def shrink(b:bytes)->tuple: # Kind, bytes
    im = Image.open(io.BytesIO(b))
    rgb,png,jpg = im.convert('RGB'),io.BytesIO(),io.BytesIO()
    rgb.save(jpg, 'jpeg', quality=82, optimize=True)
    if im.mode!='P': rgb.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(png, 'png', optimize=True)
    small = min((o for o in (b, png.getvalue()) if o), key=len)
    return ('jpeg',jpg.getvalue()) if len(jpg.getvalue())<.6*len(small) else ('png',small)

for p in sys.argv[1:]:
    nb,changed = nbformat.read(p, as_version=4),False
    for d in (o['data'] for c in nb.cells for o in c.get('outputs', []) if 'image/png' in o.get('data', {})):
        old = base64.b64decode(d['image/png'])
        kind,new = shrink(old)
        if new!=old: del d['image/png']; d[f'image/{kind}'],changed = base64.b64encode(new).decode(),True
    if changed: nbformat.write(nb, p)
