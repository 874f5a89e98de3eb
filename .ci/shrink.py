"""Pictures in notebooks as 64 colours, photographs as JPEG; what is small stays: `python .ci/shrink.py nbs/*.ipynb`

Each table of pandas brings the same style with it, which the page has anyway, and itself as plain text: both go too.
What stays of it has a line a row. The words `<Figure size 640x480>` of a picture go as well."""
import base64, io, re, sys
import nbformat
from PIL import Image

def shrink(data:bytes)->tuple: # Kind, bytes
    im = Image.open(io.BytesIO(data))
    rgb,png,jpg = im.convert('RGB'),io.BytesIO(),io.BytesIO()
    rgb.save(jpg, 'jpeg', quality=82, optimize=True)
    if im.mode!='P':
        few = rgb.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(png, 'png', optimize=True)
    small = min(filter(None, (data, png.getvalue())), key=len)
    return ('jpeg',jpg.getvalue()) if len(jpg.getvalue())<.6*len(small) else ('png',small)

def pictures(nb):
    for c in nb.cells:
        for o in c.get('outputs', []):
            if 'image/png' in o.get('data', {}): yield o['data']

def drop_twice(nb)->bool: # Whether there was anything
    kinds = {'text/html','image/png','image/jpeg'}
    shown = [o['data'] for c in nb.cells for o in c.get('outputs', []) if kinds & set(o.get('data', {}))]
    before = [dict(o) for o in shown]
    for o in shown:
        o.pop('text/plain', None)
        if 'text/html' not in o: continue
        bare = re.sub(r'<style scoped>.*?</style>\n?', '', o['text/html'], flags=re.S)
        o['text/html'] = re.sub(r'>\n *<(?!tr)', '><', bare)
    return shown!=before

for p in sys.argv[1:]:
    nb = nbformat.read(p, as_version=4)
    changed = drop_twice(nb)
    for found in pictures(nb):
        old = base64.b64decode(found['image/png'])
        kind,new = shrink(old)
        if new==old: continue
        del found['image/png']
        found[f'image/{kind}'],changed = base64.b64encode(new).decode(),True
    if changed: nbformat.write(nb, p)
