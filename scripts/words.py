#!/usr/bin/env python3
"""Lists identifiers of the sources that were replaced by a standard word of the field, and fails where one has no reason to stay.

    words.py [FOLDER]        default: the project

Each line below is a replaced name, the word that took its place, and the paths where the old name is right, with the reason."""
import pathlib
import re
import sys

REPLACED = """
Multiply            MicroKernel
survey              row_sums
RESIDENT            L2_WEIGHT_BUDGET
edge_len            scratch_len
QUAD                K_GROUP
Weights8            QuantizedWeights
Lookup              Lut
Widen               WideningMul
TOGETHER            INTERLEAVE
narrower            half_width_isa
carry_out           execute
Unpaired            separable_convs         sepconv-cli/src/commands/compare: a record of JSON, the layers without a pair
Coding              QuantParams
Coded               QuantizedValue
Clips               FusedClamps
Sums                QuantizedLinear         requantize/tests.rs: the int32 sums that a test kernel reads
reals               dequantized
FUEL                MAX_DEPTH
Place               BufferRef
Lives               LiveRanges
Space               OutputSlices
Reserve             WeightLayout
Pairing             Broadcast
Repeat              PeriodicBroadcast
rehearse            run_without_io
run_observed        run_with_observer
Seen                Permuted
straight            materialize
Signature           TensorSpec
census              preflight
blamed              with_file
said_by             with_source
stated_preprocess   embedded_preprocess
Truth               GroundTruth
Contest             Comparison
promised            theoretical_speedup
delivered           measured_speedup
floor_ms            roofline_ms
ports_ms            io_ms
Bound               Bottleneck
Walk                LayerwisePass
Walked              QuantizedLayers
Roles               Partition
Live                ActivationStore
Single              NodeRunner              cpu/: a step of a single layer
spell_out           decompose
Blank               ZeroWeights
Role                ParamId
twin                with_standard_convs     tests/weights.rs: the same network as another file
why                 reason
"""


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    table = [re.split(r"\s{2,}", line, maxsplit=2) for line in REPLACED.strip().splitlines()]
    unexplained = 0
    for file in sorted(root.glob("crates/**/*.rs")):
        # Words in comments and in texts are no identifiers.
        code = re.sub(r'//[^\n]*|"(?:[^"\\]|\\.)*"', "", file.read_text())
        for old, new, *reason in table:
            count = len(re.findall(rf"\b{old}\b", code))
            if not count:
                continue
            explained = [why for why in reason if why.split(":")[0] in str(file)]
            unexplained += not explained
            print(f"{file.relative_to(root)}: {old} ({count}), now {new}: {explained[0] if explained else 'NO REASON'}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
