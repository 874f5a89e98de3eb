"Metadata, requirements and extras come from settings.ini; nothing is repeated here"
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

cfg = ConfigParser(delimiters=['='])
cfg.read(Path(__file__).parent/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']
reqs = {k.removesuffix('_requirements'): cfg[k].split() for k in cfg if k.endswith('_requirements')}
reqs['dev'] = sorted({o for k,v in reqs.items() if k!='scale' for o in v})

name = cfg['lib_name']
setup(
    name=name, version=cfg['version'], description=cfg['description'], license='Apache-2.0',
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'],
    project_urls={'Source': cfg['git_url']}, keywords=cfg['keywords'].split(),
    classifiers=['Intended Audience :: '+cfg['audience'], 'Natural Language :: '+cfg['language'],
                 'Programming Language :: Python :: 3', 'Typing :: Typed'],
    packages=find_packages(include=[name, name+'.*']), include_package_data=True, zip_safe=False,
    python_requires='>='+cfg['min_python'], install_requires=cfg['requirements'].split(), extras_require=reqs,
    long_description=Path('README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    entry_points=dict(console_scripts=cfg['console_scripts'].split(), nbdev=[f'{name}={name}._modidx:d']))
