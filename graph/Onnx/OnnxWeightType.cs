namespace Lathe.Graph.Onnx;

/// <summary>How a model's whole-number weights are stored.</summary>
public enum OnnxWeightType
{
    /// <summary>One byte each, which ONNX Runtime multiplies as they are.</summary>
    Int8,

    /// <summary>Two in a byte, for weights of up to 4 bits; ONNX Runtime makes floats of them when it loads the model.</summary>
    Int4,

    /// <summary>Four in a byte, for weights of 2 bits; of the newest runtimes, which make floats of them too.</summary>
    Int2,
}
