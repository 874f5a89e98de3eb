"Tell good chips from defective ones in images, with a method people can believe"
import sys, warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
__version__ = "0.3.0.dev0"

# Modules of 0.2.1 that are somewhere else now. An import of one gives its names, and says where they are.
_MOVED = dict(
    ablate='jobs.ablate',
    app='station.station station.tray station.desk station.line station.page',
    bundle='line.runtime line.bundle',
    committee='jobs.folds jobs.committee jobs.study jobs.compare line.network',
    core='base.errors base.files base.parallel base.table base.run',
    drift='line.drift',
    explain='line.heat line.pointing line.sanity line.explain',
    export='line.graph line.int8 line.export',
    gate='station.uploads station.gate',
    image='base.image',
    inputs='line.archives line.inputs',
    job='jobs.report jobs.job',
    predict='line.score line.predict line.watch',
    report='base.page',
    switches='losses callbacks',
    verdicts='station.verdicts',
)

class _Moved:
    "Asked by Python when no module of a name has been found: an old name gives what its new rooms hold"
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        package,_,module = name.rpartition('.')
        if package==__name__ and module in _MOVED: return ModuleSpec(name, cls)

    @staticmethod
    def create_module(spec): return None

    @staticmethod
    def exec_module(module):
        rooms = [f'{__name__}.{o}' for o in _MOVED[module.__name__.rpartition('.')[2]].split()]
        told = f"{module.__name__} has moved; its names are in {', '.join(rooms)}. All of them: {__name__}.all"
        warnings.warn(told, FutureWarning, stacklevel=2)
        for room in rooms:
            names = vars(import_module(room)).items()
            vars(module).update((k,v) for k,v in names if not k.startswith('__'))

sys.meta_path.append(_Moved)
