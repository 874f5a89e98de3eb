"Everything, for a notebook: `from semiconductor_cls.all import *`"
from .core import *
from .synth import *
from .source import *
from .image import *
from .report import *
from .eda import *
from .duplicates import *
from .clean import *
from .split import *
from .data import *
from .learner import *
from .train import *
from .evaluate import *
from .ensemble import *
from .operate import *
from .job import *
from .predict import *
