"The oldest versions that settings.ini allows, as pip's constraints: make test OLDEST=1"
import re
from configparser import ConfigParser
from pathlib import Path

TOOLS = {'dev_requirements','docs_requirements'} # nobody's installation depends on them

def main():
    cfg = ConfigParser(delimiters=['='])
    cfg.read(Path(__file__).parents[1]/'settings.ini', encoding='utf-8')
    cfg = cfg['DEFAULT']
    asked = ' '.join(cfg[name] for name in cfg if name.endswith('requirements') and name not in TOOLS)
    floors = re.findall(r'([\w.-]+)>=([\w.]+)', asked)
    print('\n'.join(sorted({'=='.join(floor) for floor in floors})))

if __name__=='__main__': main()
