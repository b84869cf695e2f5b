"""Results that are plain dicts and lists, and that notebooks show as tables."""

from __future__ import annotations

from html import escape
from typing import Any, Dict, Iterable, List

Row = Dict[str, Any]


def count(number: float) -> str:
    """At most four digits and a unit: ``3.50 M``."""
    for unit in ("", "k", "M", "G", "T"):
        if number < 999.5 or unit == "T":
            return f"{number:.0f}" if not unit else f"{number:.3g} {unit}"
        number /= 1000
    raise AssertionError


def shape(sizes: Iterable[int]) -> str:
    return "x".join(map(str, sizes))


def table(headings: List[str], rows: Iterable[Iterable[Any]], caption: str = "") -> str:
    """An HTML table; numbers stand on the right."""

    def cell(value: Any) -> str:
        align = "left" if isinstance(value, str) else "right"
        text = f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)
        return f'<td style="text-align:{align}">{escape(text)}</td>'

    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Inspection(Row):
    """What a network is: the result of ``Model.inspect``."""

    def _repr_html_(self) -> str:
        totals = self["totals"]
        caption = (
            f"{self['model']} ({self['format']}): {count(totals['parameters'])} parameters, "
            f"{count(totals['macs'])} MACs, {count(totals['weight_bytes'])}B of weights"
        )
        headings = ["", "layer", "operator", "output", "type", "parameters", "MACs"]
        with_plan = bool(self["layers"]) and "kernel" in self["layers"][0]

        def row(number: int, layer: Row) -> List[Any]:
            cells = [number, layer["name"], layer["op"], shape(layer["output"]), layer["dtype"]]
            cells += [layer["parameters"], layer["macs"]]
            return cells + [layer["kernel"], layer["why"]] if with_plan else cells

        rows = [row(number, layer) for number, layer in enumerate(self["layers"])]
        return table(headings + ["kernel", "reason"] if with_plan else headings, rows, caption)


class Profile(Row):
    """The time of each step: the result of ``CompiledModel.profile``."""

    def _repr_html_(self) -> str:
        caption = (
            f"{self['model']} on {self['machine']['isa']}, {self['machine']['threads']} threads: "
            f"{self['median_ms']:.3f} ms median, {100 * self['of_peak']:.0f} % of peak"
        )
        headings = ["", "step", "block", "ms", "% of time", "MACs", "GOP/s", "% of peak", "bottleneck"]

        def row(number: int, step: Row) -> List[Any]:
            names = " + ".join(layer["op"] for layer in step["layers"])
            share, of_peak = round(100 * step["share"]), round(100 * step["of_peak"])
            cells = [number, names, step["block"], step["ms"], share]
            return cells + [step["macs"], round(step["gops"]), of_peak, step["bottleneck"]]

        return table(headings, [row(number, step) for number, step in enumerate(self["steps"])], caption)


class Comparison(Row):
    """Separable convolutions beside standard ones: the result of ``Model.compare``."""

    def _repr_html_(self) -> str:
        network = self["network"]
        caption = (
            f"{self['model']} on {self['isa']}, {self['threads']} threads: {network['theoretical_speedup']:.2f}x fewer "
            f"MACs, {network['measured_speedup']:.2f}x faster than with standard convolutions"
        )
        headings = ["layers", "kernel", "channels", "separable ms", "standard ms", "theoretical", "measured"]

        def row(pair: Row) -> List[Any]:
            cells = [f"{pair['depthwise']} + {pair['pointwise']}", shape(pair["kernel"])]
            cells += [" to ".join(map(str, pair["channels"]))]
            cells += [pair["separable"]["min_ms"], pair["standard"]["min_ms"]]
            return cells + [pair["theoretical_speedup"], pair["measured_speedup"]]

        return table(headings, map(row, self["pairs"]), caption)


class Quantization(Row):
    """What quantizing did: the report of ``Model.quantize``."""

    def _repr_html_(self) -> str:
        caption = (
            f"{self['model']}: {count(self['float_weight_bytes'])}B of weights became "
            f"{count(self['quantized_weight_bytes'])}B"
        )
        headings = ["layer", "kind", "type", "SQNR in dB", "alone in dB"]
        keys = ["name", "kind", "dtype", "sqnr_db", "alone_db"]
        return table(headings, [[layer[key] for key in keys] for layer in self["layers"]], caption)


class Evaluation(Row):
    """Top-1 and top-5 accuracy: the result of ``Classifier.evaluate``."""

    def _repr_html_(self) -> str:
        low, high = self["top1_interval"]
        rows = [
            ["top-1", f"{self['top1_percent']:.1f} %", f"{self['top1']} of {self['images']}"],
            ["95 % interval", f"{low:.1f} to {high:.1f} %", ""],
            ["top-5", f"{100 * self['top5'] / self['images']:.1f} %", f"{self['top5']} of {self['images']}"],
        ]
        return table(["", "", "images"], rows, self["model"])


class Predictions(List[Row]):
    """The likeliest classes of an image: the result of ``Classifier.classify``."""

    def _repr_html_(self) -> str:
        rows = [[p["class"], p["label"] or "", f"{100 * p['score']:.2f} %"] for p in self]
        return table(["class", "label", "score"], rows)


class Networks(List[Row]):
    """The networks that have names: the result of ``networks``."""

    def _repr_html_(self) -> str:
        headings = ["name", "family", "input", "parameters", "MACs", "weights"]

        def row(network: Row) -> List[Any]:
            costs = [network["parameters"], network["macs"]]
            return [network["name"], network["family"], shape(network["input"]), *costs, ", ".join(network["weights"])]

        return table(headings, map(row, self))
