"""ONNX Runtime's side of frozen.lua: the same network with the same weights.

usage: frozen.py FILE seconds
FILE is what frozen.lua wrote. Prints `case: best median`, nanoseconds per call: `run` as users call
it, `bound` with input and output bound once, which saves the copies.
"""
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

SIZES = [("x", (1, 64)), ("w1", (64, 64)), ("b1", (64,)), ("w2", (4, 64)), ("b2", (4,)),
         ("y", (1, 4))]


def read(path):
    floats = np.fromfile(path, dtype=np.float32)
    values, at = {}, 0
    for name, shape in SIZES:
        count = int(np.prod(shape))
        values[name] = floats[at:at + count].reshape(shape).copy()
        at += count
    assert at == floats.size
    return values


def session(values):
    nodes = [helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], transB=1),
             helper.make_node("Relu", ["h"], ["r"]),
             helper.make_node("Gemm", ["r", "w2", "b2"], ["y"], transB=1)]
    graph = helper.make_graph(
        nodes, "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(values[name], name) for name in ("w1", "b1", "w2", "b2")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options,
                                providers=["CPUExecutionProvider"])


def measure(call, seconds):
    n = 1
    while True:
        start = time.perf_counter()
        for _ in range(n):
            call()
        if time.perf_counter() - start >= 0.005:
            break
        n *= 2
    figures, stop = [], time.perf_counter() + seconds
    while time.perf_counter() < stop or len(figures) < 3:
        start = time.perf_counter()
        for _ in range(n):
            call()
        figures.append((time.perf_counter() - start) / n * 1e9)
    figures.sort()
    return figures[0], figures[len(figures) // 2]


def main():
    values, seconds = read(sys.argv[1]), float(sys.argv[2])
    network = session(values)
    names, feed = ["y"], {"x": values["x"]}
    assert np.allclose(network.run(names, feed)[0], values["y"], atol=1e-5)
    binding = network.io_binding()
    binding.bind_cpu_input("x", values["x"])
    binding.bind_output("y", "cpu")
    print("run: %.1f %.1f" % measure(lambda: network.run(names, feed), seconds))
    print("bound: %.1f %.1f" % measure(lambda: network.run_with_iobinding(binding), seconds))


main()
