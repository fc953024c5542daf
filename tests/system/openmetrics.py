"""Reads a text of OpenMetrics 1.0 strictly: what the specification forbids is an AssertionError with the line.

https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

import math
import re

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
PAIR = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
NUMBER = r'[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?Inf|NaN'
METADATA = re.compile(rf'# (TYPE|HELP|UNIT) ({NAME}) (.*)')
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{PAIR}(?:,{PAIR})*)?)\}})? ({NUMBER})')
SUFFIXES = {'gauge': [''], 'counter': ['_total', '_created'], 'info': ['_info'],
            'histogram': ['_bucket', '_count', '_sum', '_created']}
# A whole number with ".0", the shortest decimal fraction, or an exponent.
CANONICAL = re.compile(r'[0-9]+\.0|0\.[0-9]*[1-9]|[1-9][0-9]*\.[0-9]*[1-9]|[1-9](\.[0-9]*[1-9])?e[+-][0-9]{2,}|\+Inf')


def labels(text):
    """The pairs of a label set, as a dictionary; values are unescaped."""
    pairs = re.findall(PAIR, text)
    named = dict(pair.split('=', 1) for pair in pairs)
    assert len(named) == len(pairs), f'a label twice: {text}'
    unescape = {'\\\\': '\\', '\\"': '"', '\\n': '\n'}
    return {name: re.sub(r'\\.', lambda match: unescape[match[0]], value[1:-1]) for name, value in named.items()}


class Family:
    def __init__(self, name):
        self.name, self.kind, self.metadata = name, 'unknown', set()
        self.samples = []  # (suffix, label text, value, line)

    def describe(self, word, text, line):
        assert not self.samples and word not in self.metadata, f'metadata twice, or behind samples: {line}'
        self.metadata.add(word)
        if word == 'TYPE':
            assert text in SUFFIXES, line
            self.kind = text
        if word == 'HELP':
            assert text and not re.search(r'\\[^\\n"]', text), line

    def add(self, name, text, value, line):
        suffix = name[len(self.name):]
        assert suffix in SUFFIXES[self.kind], f'no sample of {self.name} ({self.kind}): {line}'
        named = labels(text)
        assert ('le' in named) == (suffix == '_bucket'), line
        if self.kind == 'info':
            assert value == 1, line
        if self.kind != 'gauge':
            assert value >= 0 and math.isfinite(value), line
        self.samples.append((suffix, named, value, line))

    def check(self):
        assert {'TYPE', 'HELP'} <= self.metadata, f'{self.name} is not described'
        assert not re.search('_(total|info|bucket|count|sum|created)$', self.name), self.name
        if self.kind != 'histogram':
            return
        groups, latest = {}, None
        for suffix, named, value, line in self.samples:
            key = tuple(sorted((name, text) for name, text in named.items() if name != 'le'))
            assert key == latest or key not in groups, f'series are mixed: {line}'
            latest = key
            groups.setdefault(key, []).append((suffix, named, value, line))
        for group in groups.values():
            self.check_histogram(group)

    @staticmethod
    def check_histogram(group):
        line = group[0][3]
        buckets = [(named['le'], value) for suffix, named, value, _ in group if suffix == '_bucket']
        bounds = [float(bound) for bound, _ in buckets]
        assert all(CANONICAL.fullmatch(bound) for bound, _ in buckets), f'a bound is not canonical: {line}'
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, line
        counts = [value for _, value in buckets]
        assert counts == sorted(counts), f'not cumulative: {line}'
        others = {suffix: value for suffix, _, value, _ in group if suffix != '_bucket'}
        assert others.keys() >= {'_count', '_sum'} and others['_count'] == counts[-1], line
        assert others['_sum'] > 0 or others['_count'] == counts[0], f'the sum does not fit: {line}'


def families(text):
    """All families, by name."""
    assert text.endswith('\n# EOF\n'), text[-40:]
    found, current = {}, None
    for line in text[:-len('# EOF\n')].split('\n')[:-1]:
        if line.startswith('#'):
            match = METADATA.fullmatch(line)
            assert match, line
            if current is None or current.name != match[2]:
                assert match[2] not in found, f'{match[2]} is interrupted: {line}'
                current = found[match[2]] = Family(match[2])
            current.describe(match[1], match[3], line)
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert current and match[1].startswith(current.name), f'no family: {line}'
        current.add(match[1], match[2] or '', float(match[3]), line)
    for family in found.values():
        family.check()
    return found


def parse(text):
    """Values by (name, label text), where each is there once."""
    samples = {}
    families(text)
    for line in text.split('\n'):
        if line and not line.startswith('#'):
            match = SAMPLE.fullmatch(line)
            key = match[1], match[2] or ''
            assert key not in samples, f'twice: {line}'
            samples[key] = float(match[3])
    return samples
