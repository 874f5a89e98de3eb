"Tell good chips from defective ones in images, with a method people can believe"
import sys
__version__ = "0.2.1"

# Modules of 0.2.1 that are somewhere else now. Whoever imports one is told where, instead of that it is not there.
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
    "Asked by Python when no module of a name has been found"
    @staticmethod
    def find_spec(name, path=None, target=None):
        package,_,module = name.rpartition('.')
        if package!=__name__ or module not in _MOVED: return None
        rooms = ', '.join(f'{__name__}.{o}' for o in _MOVED[module].split())
        raise ModuleNotFoundError(f'{name} has moved; its names are in {rooms}. All of them: {__name__}.all', name=name)

sys.meta_path.append(_Moved)
