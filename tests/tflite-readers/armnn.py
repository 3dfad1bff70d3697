"""Runs a TFLite file in Arm NN's reference backend.

    python3 armnn.py MODEL IMAGES OUT

IMAGES are int8 inputs one after the other, OUT gets the outputs' bytes.
"""
import sys
import numpy as np
import pyarmnn as ann
parser = ann.ITfLiteParser()
network = parser.CreateNetworkFromBinaryFile(sys.argv[1])
graph = parser.GetSubgraphCount() - 1
inputs = parser.GetSubgraphInputTensorNames(graph)
outputs = parser.GetSubgraphOutputTensorNames(graph)
runtime = ann.IRuntime(ann.CreationOptions())
optimized, messages = ann.Optimize(network, [ann.BackendId("CpuRef")], runtime.GetDeviceSpec(), ann.OptimizerOptions())
net, _ = runtime.LoadNetwork(optimized)
binding = parser.GetNetworkInputBindingInfo(graph, inputs[0])
size = binding[1].GetNumElements()
images = np.fromfile(sys.argv[2], np.int8).reshape(-1, size)
results = ann.make_output_tensors([parser.GetNetworkOutputBindingInfo(graph, name) for name in outputs])
with open(sys.argv[3], "wb") as out:
    for image in images:
        runtime.EnqueueWorkload(net, ann.make_input_tensors([binding], [image]), results)
        out.write(ann.workload_tensors_to_ndarray(results)[0].tobytes())
