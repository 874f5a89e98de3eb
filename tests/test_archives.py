"Names in archives whose encoding nothing tells"
import io, zipfile
import pytest
from PIL import Image
from semiconductor_cls.line.archives import UNSURE, list_archive
from semiconductor_cls.line.inputs import Reader, list_inputs

def packed(path, encoding, names):
    "A zip of small pictures, with names in an encoding that nothing tells"
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w') as z:
        for i,name in enumerate(names):
            chip = io.BytesIO()
            Image.new('L', (9,9), 20*i).save(chip, 'PNG')
            z.writestr(chr(ord('A')+i)*len(name.encode(encoding))+'~', chip.getvalue())
    data = f.getvalue()
    for i,name in enumerate(names):
        raw = name.encode(encoding)
        data = data.replace((chr(ord('A')+i)*len(raw)+'~').encode(), raw+b' ')
    path.write_bytes(data.replace(b'.png ', b'.png'+b'\0'))
    return path

SJIS = ['裏.png','表.png','lot1/表.png','lot1/A_能.png','表_01.png','ソ.png']
DOS = ['prüfling_1.png','Größe.png','défaut/é.png']

@pytest.mark.parametrize('encoding,names', [('cp932',SJIS), ('cp437',DOS), ('utf-8',SJIS+DOS)])
def test_names_are_read_where_one_encoding_makes_sense(tmp_path, encoding, names):
    path = packed(tmp_path/'lot.zip', encoding, names)
    items,read = list_inputs(path),Reader()
    assert [o.split('.zip/')[1] for o in items]==names
    assert [Image.open(read(o)).getpixel((0,0)) for o in items]==[20*i for i in range(len(names))]

@pytest.mark.parametrize('encoding,names', [('gbk',['芯片.png','良品.png']), ('cp437',['öl.png']), ('cp1251',
    ['брак.png'])])
def test_names_that_could_be_two_are_refused_one_by_one(tmp_path, encoding, names):
    items = list_archive(packed(tmp_path/'lot.zip', encoding, [*names,'plain.png']))
    assert [o.note for o in items]==[UNSURE]*len(names)+['']
    assert all(o.isascii() for o in items)
