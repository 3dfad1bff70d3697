using System.Text.Json.Serialization;

namespace Lathe.Graph;

/// <summary>
/// One operation of a network. It makes exactly one tensor, which carries the node's name; <see cref="Inputs"/> names the tensors
/// it reads. Channel counts are plain numbers. Tensors that belong to a node are named <c>{Name}.weight</c>, <c>{Name}.bias</c>,
/// <c>{Name}.running_mean</c>, <c>{Name}.running_var</c>, as in PyTorch.
/// </summary>
/// <param name="Name">Unique within its graph, for example <c>features.0</c>.</param>
/// <param name="Inputs">Names of the nodes whose tensors are read, in order.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "op")]
[JsonDerivedType(typeof(Conv2d), "conv2d")]
[JsonDerivedType(typeof(Linear), "linear")]
[JsonDerivedType(typeof(BatchNorm), "batch_norm")]
[JsonDerivedType(typeof(GroupNorm), "group_norm")]
[JsonDerivedType(typeof(Activation), "activation")]
[JsonDerivedType(typeof(LeakyRelu), "leaky_relu")]
[JsonDerivedType(typeof(PRelu), "prelu")]
[JsonDerivedType(typeof(MaxPool2d), "max_pool2d")]
[JsonDerivedType(typeof(AvgPool2d), "avg_pool2d")]
[JsonDerivedType(typeof(GlobalAvgPool), "global_avg_pool")]
[JsonDerivedType(typeof(AdaptiveAvgPool2d), "adaptive_avg_pool2d")]
[JsonDerivedType(typeof(Add), "add")]
[JsonDerivedType(typeof(Mul), "mul")]
[JsonDerivedType(typeof(Pad), "pad")]
[JsonDerivedType(typeof(Concat), "concat")]
[JsonDerivedType(typeof(Flatten), "flatten")]
[JsonDerivedType(typeof(Unflatten), "unflatten")]
[JsonDerivedType(typeof(Dropout), "dropout")]
[JsonDerivedType(typeof(Quantize), "quantize")]
public abstract record Node(
    [property: JsonPropertyOrder(-2)] string Name,
    [property: JsonPropertyOrder(-1)] IReadOnlyList<string> Inputs);

/// <summary>
/// 2-d convolution; of one row it is a 1-d one. Weight [OutChannels, InChannels / Groups, Kernel.Height, Kernel.Width], bias [OutChannels] or none.
/// </summary>
public sealed record Conv2d(
    string Name,
    IReadOnlyList<string> Inputs,
    int InChannels,
    int OutChannels,
    Extent Kernel,
    Extent Stride = default,
    Border Padding = default,
    Extent Dilation = default,
    int Groups = 1,
    bool Bias = false) : Node(Name, Inputs);

/// <summary>Fully connected layer. Weight [OutFeatures, InFeatures], bias [OutFeatures] or none.</summary>
public sealed record Linear(string Name, IReadOnlyList<string> Inputs, int InFeatures, int OutFeatures, bool Bias = true)
    : Node(Name, Inputs);

/// <summary>Batch normalization of [N, C, H, W] or [N, C]. Weight γ, bias β, running mean and variance, each [Channels].</summary>
public sealed record BatchNorm(string Name, IReadOnlyList<string> Inputs, int Channels, double Epsilon = 1e-5, double Momentum = 0.1)
    : Node(Name, Inputs);

/// <summary>
/// Group normalization of [N, C, H, W] or [N, C]: mean and variance of each image over each group of C / Groups channels in a row and all their pixels. Weight γ and
/// bias β, each [Channels]. A channel's values depend on all of its group, so none of them can be removed.
/// </summary>
public sealed record GroupNorm(string Name, IReadOnlyList<string> Inputs, int Channels, int Groups, double Epsilon = 1e-5) : Node(Name, Inputs);

/// <summary>max(x, 0) + Slope·min(x, 0).</summary>
public sealed record LeakyRelu(string Name, IReadOnlyList<string> Inputs, double Slope = 0.01) : Node(Name, Inputs);

/// <summary>max(x, 0) + a·min(x, 0) with a trained a for each channel. Weight [Channels]; of one channel it is for all channels that there are.</summary>
public sealed record PRelu(string Name, IReadOnlyList<string> Inputs, int Channels) : Node(Name, Inputs);

/// <summary>Element-wise functions. All but the sigmoids take 0 to 0, so a channel that is zero stays zero.</summary>
public enum ActivationKind
{
    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>min(max(x, 0), 6).</summary>
    Relu6,

    /// <summary>x min(max(x + 3, 0), 6) / 6.</summary>
    HardSwish,

    /// <summary>x / (1 + exp(-x)).</summary>
    Silu,

    /// <summary>1 / (1 + exp(-x)).</summary>
    Sigmoid,

    /// <summary>min(max(x / 6 + 1/2, 0), 1).</summary>
    HardSigmoid,
}

/// <summary>Element-wise function.</summary>
public sealed record Activation(string Name, IReadOnlyList<string> Inputs, ActivationKind Kind) : Node(Name, Inputs);

/// <summary>Maximum over windows; the padding, narrower than the kernel, does not count.</summary>
public sealed record MaxPool2d(string Name, IReadOnlyList<string> Inputs, Extent Kernel, Extent Stride, Border Padding = default) : Node(Name, Inputs);

/// <summary>
/// Mean over windows. Padding counts as zeros. <see cref="Beyond"/> is what windows reach over that, which does not count: a window's sum is divided by the number
/// of its pixels that lie in the image or its padding. With kernel 1 and stride s it takes every s-th pixel.
/// </summary>
public sealed record AvgPool2d(
    string Name,
    IReadOnlyList<string> Inputs,
    Extent Kernel,
    Extent Stride,
    Border Padding = default,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] Border Beyond = default) : Node(Name, Inputs)
{
    /// <summary>It only chooses pixels.</summary>
    [JsonIgnore]
    public bool IsSubsampling => Kernel.IsOne && Padding.IsNone && Beyond.IsNone;
}

/// <summary>Mean over height and width: [N, C, H, W] to [N, C, 1, 1].</summary>
public sealed record GlobalAvgPool(string Name, IReadOnlyList<string> Inputs) : Node(Name, Inputs);

/// <summary>
/// Mean over windows so placed that [N, C, Height, Width] comes out: row y averages input rows ⌊y·H/Height⌋ up to ⌈(y+1)·H/Height⌉.
/// </summary>
public sealed record AdaptiveAvgPool2d(string Name, IReadOnlyList<string> Inputs, int Height, int Width) : Node(Name, Inputs);

/// <summary>Element-wise sum of two or more tensors of one shape.</summary>
public sealed record Add(string Name, IReadOnlyList<string> Inputs) : Node(Name, Inputs);

/// <summary>
/// Element-wise product of two tensors of one shape, or of [N, C, H, W] and [N, C, 1, 1] in either order, which then scales whole
/// channels, as in squeeze-and-excitation.
/// </summary>
public sealed record Mul(string Name, IReadOnlyList<string> Inputs) : Node(Name, Inputs);

/// <summary>
/// Zero channels put around those of [N, C, H, W], as in shortcuts without parameters, or zero pixels: [N, Before + C + After, Top + H + Bottom, Left + W + Right].
/// </summary>
public sealed record Pad(
    string Name,
    IReadOnlyList<string> Inputs,
    int Before,
    int After,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] Border Border = default) : Node(Name, Inputs);

/// <summary>Tensors side by side along the channels.</summary>
public sealed record Concat(string Name, IReadOnlyList<string> Inputs) : Node(Name, Inputs);

/// <summary>[N, C, H, W] to [N, C·H·W]: feature c·H·W + y·W + x is channel c at (y, x).</summary>
public sealed record Flatten(string Name, IReadOnlyList<string> Inputs) : Node(Name, Inputs);

/// <summary>[N, C·Height·Width] to [N, C, Height, Width]: what <see cref="Flatten"/> does, undone.</summary>
public sealed record Unflatten(string Name, IReadOnlyList<string> Inputs, int Height, int Width) : Node(Name, Inputs);

/// <summary>Zeroes each element with the given probability while training; nothing in evaluation.</summary>
public sealed record Dropout(string Name, IReadOnlyList<string> Inputs, double Probability) : Node(Name, Inputs);

/// <summary>
/// Activations as fixed-point numbers: each value becomes the nearest k·2^(−Fraction) with a whole k of <see cref="Least"/> to
/// <see cref="Greatest"/>, ties to even: of so many bits (2 to 8) in two's complement where signed, else from 0 up, as after a ReLU.
/// Fraction, −64 to 64, counts the binary places. While training the gradient passes straight through, but where the value was out of range.
/// </summary>
public sealed record Quantize(string Name, IReadOnlyList<string> Inputs, int Fraction, bool Signed, int Bits = 8) : Node(Name, Inputs)
{
    /// <summary>The least k.</summary>
    [JsonIgnore]
    public int Least => Signed ? -(1 << (Bits - 1)) : 0;

    /// <summary>The greatest k.</summary>
    [JsonIgnore]
    public int Greatest => Signed ? (1 << (Bits - 1)) - 1 : (1 << Bits) - 1;
}
