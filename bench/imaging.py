"""How fast and how well renditions are made: `python bench/imaging.py --peers /path/to/python [--rounds 9]`.

Side by side in one run: ours, the plain way (a whole decode and LANCZOS for each rendition), the floor (the smallest
decode, no resampling), libvips, OpenCV and easy-thumbnails. CPU time and peak memory, one process per measurement,
all ways in turn, medians. The peers run under another interpreter (--peers or IMAGING_BENCH_PEERS), which has what the
dependency group `bench` names; those that it lacks are reported as missing. Writes bench/results/imaging.{json,md,svg}.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import imaging_chart
import imaging_pictures
import PIL
from imaging_ways import Rendition
from PIL import Image, ImageChops, ImageStat, features

from media_catalog.imaging.geometry import target_size
from media_catalog.imaging.values import Spec

RESULTS = ROOT / "bench" / "results"
WAYS_PROGRAM = ROOT / "bench" / "imaging_ways.py"
SAME_DB = 99.0
PRESETS: tuple[tuple[int, int | None], ...] = ((200, None), (1024, 1024), (1024, 786), (786, 786), (124, 124))
OWN = ("plain", "plain_unturned", "floor", "ours")
PEERS = {
    "vips": "pyvips",
    "vips_shared": "pyvips",
    "opencv": "opencv-python-headless",
    "easy_thumbnails": "easy-thumbnails",
}
NAMES = {
    "plain": "plain way, upright",
    "plain_unturned": "plain way, not turned upright",
    "floor": "floor (decode, encode)",
    "vips": "libvips",
    "vips_shared": "libvips, shared",
    "opencv": "OpenCV",
    "easy_thumbnails": "easy-thumbnails",
}


@dataclass(frozen=True)
class Task:
    picture: str
    format: str
    presets: int

    @property
    def title(self) -> str:
        return f"{self.picture}: {'five renditions' if self.presets > 1 else '200 px'}"


TASKS = (
    Task("12 MP JPEG", "JPEG", 1),
    Task("12 MP JPEG", "JPEG", 5),
    Task("24 MP JPEG", "JPEG", 5),
    Task("12 MP WebP", "WEBP", 5),
    Task("12 MP PNG", "PNG", 1),
)


def main() -> None:
    options = _options()
    peers = _peers(options.peers)
    results: dict[str, Any] = {
        "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "versions": _versions(peers),
        "rounds": options.rounds,
        "missing": sorted(way for way, package in PEERS.items() if package not in peers),
        "tasks": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        files = imaging_pictures.write(Path(folder))
        results["files"] = {title: path.stat().st_size for title, path in files.items()}
        for task in TASKS:
            ways = _ways(task, peers)
            results["tasks"][task.title] = _measured(task, files, ways, options)
            print(_task_table(task.title, results["tasks"][task.title]))
    results["targets"] = _targets(results["tasks"])
    _round(results["tasks"])
    _write(results)
    print(_targets_table(results["targets"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", default=os.environ.get("IMAGING_BENCH_PEERS", ""), help="the peers' interpreter")
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


def _peers(interpreter: str) -> dict[str, str]:
    """The versions of the packages that the peers' interpreter has; none without one."""
    if not interpreter:
        return {}
    found: dict[str, str] = _run(interpreter, {})
    return found


def _ways(task: Task, peers: dict[str, str]) -> list[str]:
    own = [way for way in OWN if way != "floor" or task.format == "JPEG"]
    return [*own, *(way for way, package in PEERS.items() if package in peers)]


def _measured(task: Task, files: dict[str, Path], ways: list[str], options: argparse.Namespace) -> dict[str, Any]:
    path = files[task.picture]
    renditions = _renditions(path, task.presets)
    order = {
        "path": str(path),
        "warm_up": str(files[f"tiny {task.format.lower()}"]),
        "renditions": [asdict(each) for each in renditions],
        "format": task.format,
        "folder": "",
    }
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _round in range(options.rounds):
        for way in ways:
            runs[way].append(_run(_interpreter(way, options), order | {"way": way}))
    wanted = _pixels("plain", order, options)
    found: dict[str, dict[str, Any]] = {}
    for way in ways:
        times = sorted(run["ms"] for run in runs[way])
        found[way] = {
            "ms": statistics.median(times),
            "ms_from": times[0],
            "ms_to": times[-1],
            "megabytes": statistics.median(run["megabytes"] for run in runs[way]),
            "worst_db": None if way.startswith("plain") else _worst(_pixels(way, order, options), wanted),
        }
    for way in ways:
        found[way]["times"] = found["plain"]["ms"] / found[way]["ms"]
    return found


def _round(tasks: dict[str, Any]) -> None:
    """For the report; what must be met was compared before."""
    for task in tasks.values():
        for one in task.values():
            one |= {name: round(one[name], 2 if name == "times" else 1) for name in one if one[name] is not None}


def _renditions(path: Path, presets: int) -> list[Rendition]:
    with Image.open(path) as image:
        width, height = image.size
    found = []
    for across, down in PRESETS[:presets]:
        mode = "fill" if down else "fit"
        spec = Spec(slug="x", width=across, height=down, mode=mode, allow_upscale=False, format="source", quality=85)
        target = target_size(spec, width, height)
        size, frame = (target.width, target.height), (target.frame_width, target.frame_height)
        found.append(Rendition(across, down, mode, size, frame, target.left, target.top))
    return found


def _interpreter(way: str, options: argparse.Namespace) -> str:
    return options.peers if way in PEERS else sys.executable


def _run(interpreter: str, order: dict[str, Any]) -> Any:
    run = subprocess.run(
        [interpreter, str(WAYS_PROGRAM)], input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(run.stdout or "null")


def _pixels(way: str, order: dict[str, Any], options: argparse.Namespace) -> list[Image.Image]:
    """What a way would encode, brought here without loss."""
    with tempfile.TemporaryDirectory() as folder:
        _run(_interpreter(way, options), order | {"way": way, "format": "PNG", "folder": folder})
        return [Image.open(Path(folder) / str(number)).convert("RGB") for number in range(len(order["renditions"]))]


def _worst(found: list[Image.Image], wanted: list[Image.Image]) -> float | None:
    """The lowest PSNR in dB; none where a way makes other sizes."""
    if [image.size for image in found] != [image.size for image in wanted]:
        return None
    return min(map(_psnr, found, wanted))


def _psnr(found: Image.Image, wanted: Image.Image) -> float:
    squares = ImageStat.Stat(ImageChops.difference(found, wanted)).sum2
    error = sum(squares) / (len(squares) * found.width * found.height)
    return 10 * math.log10(255**2 / error) if error else SAME_DB


def _targets(tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Each figure of the table that was asked for: must, aim, measured."""
    one, twelve, large, webp, png = (tasks[task.title] for task in TASKS)

    def memory(task: dict[str, Any]) -> float:
        return float(task["ours"]["megabytes"] / task["plain"]["megabytes"])

    rows = [
        ("200 px of 12 MP, times the plain way", one["ours"]["times"], 7, _best(one, "vips", "vips_shared"), True),
        ("200 px of 12 MP, times the floor's CPU", one["ours"]["ms"] / one["floor"]["ms"], 1.15, None, False),
        ("five of 12 MP, times the plain way", twelve["ours"]["times"], 6.5, 10, True),
        ("five of 24 MP, times the plain way", large["ours"]["times"], 8, 13, True),
        (
            "worst PSNR before encoding, dB",
            min(task["ours"]["worst_db"] for task in (one, twelve, large)),
            45,
            48,
            True,
        ),
        ("peak memory, five of 12 MP, share of the plain way", memory(twelve), 0.45, 0.4, False),
        ("peak memory, five of 24 MP, share of the plain way", memory(large), 0.35, 0.3, False),
        ("five of 12 MP WebP, times the plain way", webp["ours"]["times"], 3, 4, True),
        ("200 px of 12 MP PNG, times the plain way", png["ours"]["times"], 1.25, 1.5, True),
    ]
    return [
        {
            "figure": figure,
            "measured": round(measured, 3),
            "must": must,
            "aim": aim,
            "must_met": _met(measured, must, more),
            "aim_met": None if aim is None else _met(measured, aim, more),
        }
        for figure, measured, must, aim, more in rows
    ]


def _best(task: dict[str, Any], *ways: str) -> float | None:
    return max((task[way]["times"] for way in ways if way in task), default=None)


def _met(measured: float, bound: float, more: bool) -> bool:
    return measured >= bound if more else measured <= bound


def _machine() -> dict[str, Any]:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _versions(peers: dict[str, str]) -> dict[str, str]:
    own = {"python": platform.python_version(), "pillow": PIL.__version__}
    jpeg = features.version_feature("libjpeg_turbo")
    return own | ({"libjpeg-turbo": jpeg} if jpeg else {}) | {f"peers: {name}": peers[name] for name in sorted(peers)}


def _task_table(title: str, task: dict[str, Any]) -> str:
    rows = [
        f"| {NAMES.get(way, way)} | {one['ms']} ({one['ms_from']}–{one['ms_to']}) | {one['times']} × |"
        f" {one['megabytes']} | {'' if one['worst_db'] is None else one['worst_db']} |"
        for way, one in task.items()
    ]
    head = "| | CPU ms, median (range) | against the plain way | peak MB | worst PSNR, dB |\n|---|---|---|---|---|\n"
    return f"### {title}\n\n{head}" + "\n".join(rows) + "\n"


def _targets_table(targets: list[dict[str, Any]]) -> str:
    def shown(bound: float | None, met: bool | None) -> str:
        return "" if bound is None else f"{bound} {'✓' if met else '✗'}"

    rows = [
        f"| {row['figure']} | {row['measured']} | {shown(row['must'], row['must_met'])} |"
        f" {shown(row['aim'], row['aim_met'])} |"
        for row in targets
    ]
    return "| | measured | must | aim |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _write(results: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "imaging.json").write_text(json.dumps(results, indent=2) + "\n")
    (RESULTS / "imaging.md").write_text(_report(results))
    groups = [
        (
            title,
            [
                (NAMES.get(way, way), one["times"], f"{one['worst_db']} dB" if one["worst_db"] else "")
                for way, one in task.items()
                if way not in ("plain_unturned", "floor")
            ],
        )
        for title, task in results["tasks"].items()
    ]
    (RESULTS / "imaging.svg").write_text(imaging_chart.svg(groups))


def _report(results: dict[str, Any]) -> str:
    machine, versions = results["machine"], results["versions"]
    missing = ", ".join(NAMES[way] for way in results["missing"])
    head = [
        "# Renditions, measured",
        f"{results['date']}, {machine['processor']}, {machine['cores']} cores, {machine['system']};"
        f" {', '.join(f'{name} {version}' for name, version in versions.items())}.",
        f"From files in memory. CPU time and peak memory of a process for each measurement, medians of"
        f" {results['rounds']} rounds with all ways in turn. PSNR against a whole decode and LANCZOS, before encoding."
        " The plain way, which all others are compared with, turns pictures upright, as the prototype did.",
        f"Missing: {missing}." if missing else "No peer was missing.",
        "![How many times faster than the plain way](imaging.svg)",
        "## Asked for",
        _targets_table(results["targets"]),
        "## Ways",
    ]
    return "\n\n".join([*head, *(_task_table(title, task) for title, task in results["tasks"].items())])


if __name__ == "__main__":
    main()
