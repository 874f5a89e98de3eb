"From a file to pixels: whatever a decoder raises is an `ImageError`"
import pytest
from PIL import Image
from conftest import part
from semiconductor_cls.base.image import ImageError, open_image

def fails(*args, **kw): raise TypeError('of a plugin')

def test_whatever_pillow_raises_is_an_answer(tmp_path, monkeypatch):
    part(tmp_path/'a.png', False, 0)
    monkeypatch.setattr(Image.Image, 'convert', fails)
    monkeypatch.setattr('PIL.ImageOps.exif_transpose', fails)
    with pytest.raises(ImageError, match='of a plugin'): open_image(tmp_path/'a.png')
