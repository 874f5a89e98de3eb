"Hostile pictures, links and archives, and what has to be answered about each: data of several test files"
import bz2, gzip, io, lzma, os, pickle, socket, struct, sys, tarfile, zipfile, zlib
from contextlib import contextmanager
from pathlib import Path
import numpy as np
from PIL import Image

# ---- pictures

def saved(im, fmt='PNG', **kw):
    "The bytes of a picture file"
    f = io.BytesIO()
    im.save(f, fmt, **kw)
    return f.getvalue()

def png(w=40, h=30, v=90, mode='L'): return saved(Image.new(mode, (w,h), v))

def noise(fmt, n=90, seed=0):
    rng = np.random.default_rng(seed)
    return saved(Image.fromarray(rng.integers(0, 255, (n,n), dtype=np.uint8)), fmt)

def blank(mode, fmt='PNG', side=9, **kw): return saved(Image.new(mode, (side,side)), fmt, **kw)

def three(fmt):
    "Four pictures in one file"
    more = [Image.new('L', (9,9), 9)]*3
    return blank('L', fmt, save_all=True, append_images=more)

def chip(seed=0, size=(66,60), mode='L'):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, size[::-1], np.uint8)).convert(mode)

def chunk(kind, b): return struct.pack('>I', len(b))+kind+b+struct.pack('>I', zlib.crc32(kind+b))

def png_bomb(n):
    "A thousand bytes that promise n x n pixels"
    head = struct.pack('>IIBBBBB', n, n, 8, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', head)+chunk(b'IDAT', zlib.compress(bytes(1000)))+chunk(b'IEND', b'')

def bmp_bomb(w, h):
    info = struct.pack('<IiiHHIIiiII', 40, w, h, 1, 24, 0, 0, 0, 0, 0, 0)
    return b'BM'+struct.pack('<IHHI', 54, 0, 0, 54)+info

def text_bomb():
    "100 MB of text in a small picture"
    b = png()
    return b[:33]+chunk(b'zTXt', b'a\0\0'+zlib.compress(bytes(100_000_000), 9))+b[33:]

def turned():
    "A picture that a camera has turned by a quarter"
    exif = Image.Exif()
    exif[274] = 6
    return exif

def exif_turned():
    im = Image.new('L', (40,30), 90)
    im.paste(200, (0,0,20,30))
    return saved(im, 'JPEG', exif=turned())

def tiff_loop():
    "The directory of a TIFF names itself as the next"
    b = bytearray(saved(Image.new('L', (8,8)), 'TIFF'))
    start = struct.unpack_from('<I', b, 4)[0]
    n = struct.unpack_from('<H', b, start)[0]
    struct.pack_into('<I', b, start+2+12*n, start)
    return bytes(b)

def tiff_far(): return b'II*\0'+struct.pack('<I', 0xfffffff0)
def float_tiff(): return saved(Image.fromarray(np.array([[np.nan,np.inf],[-np.inf,1]], np.float32)), 'TIFF')
def deep_png(): return saved(Image.fromarray(np.full((9,9), 30_000, np.uint16)))

# ---- archives

def zipped(members, method=zipfile.ZIP_DEFLATED):
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w', method) as z:
        for name,data in members: z.writestr(name, data)
    return f.getvalue()

def zipped_pngs(*names): return zipped([(n, png()) for n in names])

def zip_link():
    o = zipfile.ZipInfo('l.png')
    o.external_attr = 0o120777<<16
    return zipped([(o, '../../secret/s.png')])

def zip_encrypted():
    b = bytearray(zipped_pngs('a.png'))
    b[6] |= 1
    b[b.index(b'PK\1\2')+8] |= 1
    return bytes(b)

def zip_lies(size):
    "The header promises another size than there is"
    b = bytearray(zipped([('a.bmp', bytes(5_000_000))]))
    struct.pack_into('<I', b, b.index(b'PK\1\2')+24, size)
    return bytes(b)

def zip_ratio(): return zipped([(f'{i}.bmp', bytes(1_000_000)) for i in range(20)])
def zip_in_zip(): return zipped([('b.zip', zipped_pngs('c.png')), ('t.tar.gz', b'')])
def zip_damaged(method): return zipped([('a.png', png())], method).replace(b'IHDR', b'JHDR')

def tarred(members, mode='w'):
    "An archive of (name, bytes, kind) or (name, bytes, kind, headers); links lead to the secret"
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode=mode) as t:
        for name,data,kind,*pax in members:
            o = tarfile.TarInfo(name)
            o.type,o.size,o.linkname = kind,len(data),'../../secret/s.png'
            o.pax_headers = pax[0] if pax else {}
            t.addfile(o, io.BytesIO(data))
    return f.getvalue()

def tarred_pngs(*names): return tarred([(n, png(), b'0') for n in names])

def tar_links():
    kinds = {'s.png':b'2', 'h.png':b'1', 'd.png':b'3', 'f.png':b'6'}
    return tarred([*((n, b'', k) for n,k in kinds.items()), ('ok.png', png(), b'0')])

def tar_negative():
    "A size below zero points back at the header: `tarfile` alone goes round for ever"
    b = bytearray(tarred([('ok.png', png(), b'0'), ('a.png', b'', b'0')]))
    b[1024+124:1024+136] = b'\xff'*10+struct.pack('>h', -512)
    b[1024+148:1024+156] = b' '*8
    b[1024+148:1024+156] = b'%06o\0 ' % sum(b[1024:1536])
    return bytes(b)

def tar_damaged():
    b = bytearray(tarred_pngs('0.png', '1.png', '2.png'))
    b[1024:1040] = b'x'*16
    return bytes(b)

def tar_pax_bomb():
    "A header of 400 MB in 400 kB"
    o = tarfile.TarInfo('x')
    o.type,o.size = b'x',400<<20
    return gzip.compress(o.tobuf()+bytes(400<<20), 1)

def tar_bomb(): return tarred([('a.bmp', bytes(30_000_000), b'0'), ('b.png', png(), b'0')], 'w:gz')

def tar_cut():
    whole = tarred([('a.png', noise('PNG'), b'0'), ('b.png', noise('PNG', seed=1), b'0')], 'w:gz')
    return whole[:9000]

# ---- what is made in the folder `in`, beside the folder `secret`

def path_in(folder, name): return Path(os.fsdecode(os.path.join(os.fsencode(folder/'in'), os.fsencode(name))))

def write(name, data):
    "Make a file; `data` are bytes, or a function that makes them"
    def make(folder):
        p = path_in(folder, name)
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_bytes(data() if callable(data) else data)
    return make

def link(name, to): return lambda d: os.symlink(str(to).replace('SECRET', str(d/'secret')), d/'in'/name)
def fifo(name): return lambda d: os.mkfifo(d/'in'/name)
def folder(name): return lambda d: (d/'in'/name).mkdir(parents=True)
def all_of(*makes): return lambda d: [make(d) for make in makes]
def nothing(d): pass

def sock(d):
    s,here = socket.socket(socket.AF_UNIX),os.getcwd()
    os.chdir(d/'in')
    try: s.bind('s.png')
    finally:
        os.chdir(here)
        s.close()

def sibling(d):
    "A folder whose name begins with the one that is asked for"
    (d/'in2').mkdir()
    (d/'in2/s.png').write_bytes(png())
    link('l.png', '../in2/s.png')(d)

# ---- the cases: what is made, what is asked for, and the answer

OK,SOME = '',' *' # scored; any note
NOT_IMAGE,CUT,LIMIT = 'not a PNG','cannot be decoded','limit'
NEITHER,LEADS_OUT,UNREADABLE = 'neither a file nor a folder','leads out','not readable as an archive'
A = write('a.png', png())
CASES = {} # name → (make, ask, {the end of a path: part of its note} or an error's text)

def case(name, make, want, ask='in'): CASES[name] = (make, ask, want)
def one(name, file, data, note): case(name, write(file, data), {file:note})
def at(name, make, file, note): case(name, make, {file:note}, f'in/{file}')

def packed(name, file, data, want):
    "An archive asked for by its name; `want` names members, and '' the archive itself"
    if isinstance(want, dict): want = {f'{file}/{k}' if k else file:v for k,v in want.items()}
    case(name, write(file, data), want, f'in/{file}')

def listed(name, file, data, want): case(name, write(file, data), want, f'in/{file}')

one('zero', 'z.png', b'', 'zero bytes')
one('cut_png', 'c.png', noise('PNG')[:3000], CUT)
one('cut_jpg', 'c.jpg', noise('JPEG')[:200], CUT)
one('cut_bmp', 'c.bmp', noise('BMP')[:2000], CUT)
one('cut_tif', 'c.tif', noise('TIFF')[:400], SOME)
one('bmp_bomb', 'b.bmp', bmp_bomb(50_000, 50_000), LIMIT)
one('png_bomb', 'b.png', png_bomb(50_000), LIMIT)
one('png_promise', 'b.png', png_bomb(7_000), CUT)
one('big_but_allowed', 'b.png', lambda: png(7000, 7000, 0), OK)
one('bmp_no_height', 'b.bmp', bmp_bomb(10, 0), SOME)
one('bmp_negative', 'b.bmp', bmp_bomb(-5, -5), SOME)
one('text_bomb', 't.png', text_bomb, CUT)
one('svg', 'x.png', b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', NOT_IMAGE)
one('html', 'x.png', b'<html><script>alert(1)</script>', NOT_IMAGE)
one('gif', 'x.png', blank('L', 'GIF', 5), NOT_IMAGE)
one('pickled', 'x.png', pickle.dumps(print), NOT_IMAGE)
one('zip_called_png', 'x.png', zipped_pngs('a.png'), NOT_IMAGE)
one('eps', 'x.jpg', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', NOT_IMAGE)
one('tiff_circle', 'x.tif', tiff_loop, OK)
one('tiff_nowhere', 'x.tif', tiff_far, SOME)
one('deep', 'x.png', deep_png, OK)
one('floats', 'x.tif', float_tiff, SOME)
one('cmyk', 'x.jpg', blank('CMYK', 'JPEG'), OK)
one('lab', 'x.tif', blank('LAB', 'TIFF'), OK)
one('transparent', 'x.png', blank('RGBA'), OK)
one('bilevel', 'x.png', blank('1'), OK)
one('animated', 'x.png', three('PNG'), 'the first of several pages')
one('pages', 'x.tif', three('TIFF'), 'the first of several pages')
one('turned', 'x.jpg', exif_turned, OK)
one('one_pixel', 'x.png', png(1, 1), OK)
one('thread', 'x.png', png(1, 9000), OK)
one('tail', 'x.png', png()+b'rubbish'*999, OK)

case('pipe', fifo('p.png'), {'p.png':NEITHER})
at('pipe_named', fifo('p.png'), 'p.png', NEITHER)
at('pipe_list', fifo('p.txt'), 'p.txt', NEITHER)
at('pipe_zip', fifo('p.zip'), 'p.zip', NEITHER)
case('socket', sock, {'s.png':NEITHER})
case('device', nothing, {'zero':NEITHER}, '/dev/zero')
case('device_link', link('z.png', '/dev/zero'), {'z.png':LEADS_OUT})
case('folder', folder('f.png'), {'f.png':'directory'})
case('link_out', link('l.png', 'SECRET/s.png'), {'l.png':LEADS_OUT})
case('link_up', link('l.png', '../secret/s.png'), {'l.png':LEADS_OUT})
case('link_folder_out', link('more', 'SECRET'), {'more':LEADS_OUT})
case('link_to_link', all_of(link('a', '../secret'), link('l.png', 'a/s.png')), {'a':LEADS_OUT, 'l.png':LEADS_OUT})
case('link_round', link('l.png', 'l.png'), {'l.png':SOME})
case('link_dangling', link('l.png', 'gone'), {'l.png':'dangling'})
case('link_inside', all_of(A, link('l.png', 'a.png'), link('round', '.')), {'a.png':OK, 'l.png':OK})
case('sibling_prefix', sibling, {'l.png':LEADS_OUT})

FORMULAS = [f'{c}cmd|x.png' for c in "=+-@'"]
one('newline', 'a\nb.png', png(), OK)
one('quotes', 'a"b\',.png', png(), OK)
one('tab_and_return', '\ta\r.png', png(), OK)
case('formulas', all_of(*(write(n, png()) for n in FORMULAS)), {n:OK for n in FORMULAS})
one('option', '--help.png', png(), OK)
case('no_unicode', write(b'\xff\xfe\x80.png', png()), {os.fsdecode(b'\xff\xfe\x80.png'):OK})
one('right_to_left', '\u202egnp.png', png(), OK)
one('escapes', '\x1b[2J\x07.png', b'', 'zero bytes')
one('long_name', 'n'*251+'.png', png(), OK)
case('too_long', nothing, 'no such file', 'n'*300+'.png')
at('brackets', write('[a]*?.png', png()), '[a]*?.png', OK)
DOTS = ('a.png','a.bmp','a.png.png')
case('dots', all_of(*(write(n, png()) for n in DOTS)), {n:OK for n in DOTS})

packed('zip_up', 'a.zip', zipped_pngs('../up.png', 'a/../../up.png', 'ok.png'),
       {'../up.png':LEADS_OUT, 'a/../../up.png':LEADS_OUT, 'ok.png':OK})
packed('zip_absolute', 'a.zip', zipped_pngs('/etc/x.png', 'C:/x.png', '..\\x.png'),
       {'/etc/x.png':LEADS_OUT, 'C:/x.png':LEADS_OUT, '..\\x.png':LEADS_OUT})
packed('zip_link', 'a.zip', zip_link, {'l.png':'a link'})
packed('zip_encrypted', 'a.zip', zip_encrypted, {'a.png':'encrypted'})
packed('zip_bzip2', 'a.zip', zipped([('a.bmp', bytes(9**6))], zipfile.ZIP_BZIP2), {'a.bmp':'packed by method 12'})
packed('zip_lzma', 'a.zip', zipped([('a.bmp', bytes(9**6))], zipfile.ZIP_LZMA), {'a.bmp':'packed by method 14'})
packed('zip_says_less', 'a.zip', lambda: zip_lies(100), {'a.bmp':SOME})
packed('zip_says_more', 'a.zip', lambda: zip_lies(2**32-2), {'a.bmp':'over the limit'})
packed('zip_ratio', 'a.zip', zip_ratio, {'0.bmp':NOT_IMAGE, '19.bmp':'unpacks to more'})
packed('zip_in_zip', 'a.zip', zip_in_zip, {'b.zip':'archive in an archive', 't.tar.gz':'archive in an archive'})
packed('zip_twice', 'a.zip', zipped([('a.png', png()), ('a.png', png(v=9))]), {'a.png':'several members'})
packed('zip_cut', 'a.zip', zipped_pngs('a.png')[:-30], {'':UNREADABLE})
packed('zip_damaged', 'a.zip', lambda: zip_damaged(zipfile.ZIP_DEFLATED), {'a.png':OK})
packed('zip_crc', 'a.zip', lambda: zip_damaged(zipfile.ZIP_STORED), {'a.png':'cannot be read from the archive'})
ODD = ('=1+1.png','a\nb.png','芯.png')
packed('zip_odd_names', 'a.zip', zipped_pngs(*ODD), {n:OK for n in ODD})
packed('zip_empty', 'a.zip', zipped([]), 'no images in this archive')
packed('zip_is_tar', 'a.zip', tarred_pngs('a.png'), {'':UNREADABLE})
case('zip_is_folder', write('a.zip/a.png', png()), {'a.zip/a.png':OK}, 'in/a.zip')

packed('tar_links', 'a.tar', tar_links(),
       {'s.png':'a link', 'h.png':'a link', 'd.png':'a device', 'f.png':'a device', 'ok.png':OK})
packed('tar_up', 'a.tar', tarred_pngs('../up.png', '/abs.png'), {'../up.png':LEADS_OUT, '/abs.png':LEADS_OUT})
packed('tar_back', 'a.tar', tar_negative, {'ok.png':OK, '':'a size below zero'})
packed('tar_damaged', 'a.tar', tar_damaged, {'0.png':OK, '':'to its end'})
packed('tar_no_end', 'a.tar', tarred_pngs('a.png')[:1024], {'a.png':OK, '':'to its end'})
packed('tar_header_bomb', 'a.tgz', tar_pax_bomb, {'':UNREADABLE})
packed('tar_bomb', 'a.tgz', tar_bomb, {'a.bmp':'unpacks to more', '':'not readable as an archive to its end'})
packed('tar_cut', 'a.tar.gz', tar_cut, {'a.png':OK, '':'to its end'})
packed('tar_xz', 'a.tar.xz', lambda: lzma.compress(tarred_pngs('a.png')), {'a.png':OK})
packed('tar_bz2', 'a.tbz2', lambda: bz2.compress(tarred_pngs('a.png')), {'a.png':OK})
packed('tar_rubbish', 'a.tar.bz2', b'BZh9'+noise('BMP')[99:198], {'':UNREADABLE})
packed('tar_zero_byte', 'a.tar', lambda: tarred([('x', png(), b'0', {'path':'a\0b.png'})]), {'a\0b.png':OK})

listed('list_missing', 'l.txt', b'gone.png\n../nowhere/x.png\nhttp://localhost/x.png\n',
       {'gone.png':'no such file', 'x.png':'no such file'})
listed('list_system', 'l.txt', b'/dev/zero\n/proc/self/environ\n/etc\n',
       {'/dev/zero':'neither a file', 'environ':'not a PNG', '/etc':'directory'})
listed('list_of_itself', 'l.txt', b'l.txt\n', {'l.txt':NOT_IMAGE})
listed('list_bytes', 'l.txt', b'\xff\xfe\0\x01.png\n', {os.fsdecode(b'\xff\xfe\0\x01.png'):SOME})
listed('list_long', 'l.txt', b'x'*100_000+b'.png\n', {'x.png':SOME})
case('list_windows', all_of(A, write('l.txt', b'\xef\xbb\xbfa.png\r\n\r\na.png\r\n')), {'a.png':OK}, 'in/l.txt')
listed('list_empty', 'l.txt', b'\n\n', 'no paths in this list')
case('csv_formula', all_of(write('=1.png', png()), write('l.csv', b"id,path\n1,'=1.png\n")), {'=1.png':OK}, 'in/l.csv')
listed('csv_no_path', 'l.csv', b'a,b\n1,2\n', "no column 'path'")
listed('csv_rubbish', 'l.csv', b'path\n"a.png\n\0\n', {})
listed('csv_huge', 'l.csv', b'path\n"'+b'x'*200_000+b'"\n', 'not readable as a list')
case('nowhere', nothing, 'no such file', 'in/nowhere')
case('no_match', nothing, 'no such file', 'in/*.png')
case('nothing', nothing, 'no images in this folder')

# ---- what a visitor of the station drops

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'

def refused_files():
    "name → (bytes, part of the answer)"
    film = dict(save_all=True, append_images=[chip(1), chip(2)])
    return {'cut.png': (saved(chip())[:-60], CUT), 'bomb.bmp': (bmp_bomb(50_000, 50_000), 'pixels'),
            'x.svg': (SVG, NOT_IMAGE), 'page.png': (b'<html><script>alert(1)</script>', NOT_IMAGE),
            'one.png': (saved(chip().crop((0,0,1,1))), '1 x 1 pixels'), 'empty.png': (b'', 'zero bytes'),
            'film.png': (saved(chip(), **film), '3 pictures'), 'film.gif': (saved(chip(), 'GIF', **film), NOT_IMAGE),
            'big.bmp': (b'BM'+bytes(3_000_000), 'over the limit of 2 MB'), 'zip.png': (b'PK\3\4'+bytes(50), NOT_IMAGE)}

def taken_files():
    "name → bytes; only the names are hostile, or the picture is of a rare kind"
    deep = Image.fromarray(np.arange(60*66, dtype=np.uint16).reshape(60,66)*16)
    return {'deep.png': saved(deep), 'cmyk.jpg': saved(chip(mode='RGB').convert('CMYK'), 'JPEG'),
            'turned.jpg': saved(chip(3), 'JPEG', exif=turned()), 'named.exe': saved(chip(4)),
            '../../../../../../tmp/evil.png': saved(chip(5)),
            'new\nline"\'<img src=x onerror=alert(1)>.png': saved(chip(6)), '=cmd().png': saved(chip(7)),
            'C:\\windows\\x.png': saved(chip(8)), '.': saved(chip(9)), 'n'*300+'.png': saved(chip(10)),
            'alpha.png': saved(chip(mode='RGB').convert('RGBA'))}

# ---- which files are opened

_opened,_watching = [],[]

def _hook(event, args):
    if event=='open' and _watching: _opened.append(args)

sys.addaudithook(_hook)

@contextmanager
def watched():
    "The list of (path, flags) of all that is opened meanwhile"
    seen = []
    _opened.clear()
    _watching.append(1)
    try: yield seen
    finally:
        _watching.clear()
        named = [(p, flags) for p,_,flags in _opened if isinstance(p, (str,bytes,os.PathLike))]
        seen += [(os.path.abspath(os.fsdecode(p)), flags) for p,flags in named]
