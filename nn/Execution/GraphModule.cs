using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.NN.Execution;

/// <summary>
/// Replaces a parameter's value in a forward pass; gradients flow through it into the parameter. It may return
/// <paramref name="value"/> itself. A new tensor belongs to the dispose scope of the caller of
/// <see cref="GraphModule.Forward"/>.
/// </summary>
/// <param name="name">For example <c>conv1.weight</c>.</param>
/// <param name="value">The parameter.</param>
public delegate Tensor ParameterView(string name, Tensor value);

/// <summary>
/// Replaces what a node of a forward pass has made, before any other node reads it; gradients flow through it. It may return <paramref name="value"/>
/// itself, and must not change it. A new tensor belongs to the forward pass.
/// </summary>
/// <param name="name">Name of the tensor, which is that of its node.</param>
/// <param name="value">[N, …].</param>
public delegate Tensor ActivationView(string name, Tensor value);

/// <summary>Sees every tensor of a forward pass as it is made, the image first. It must not keep or change it.</summary>
/// <param name="name">Name of the tensor, which is that of its node.</param>
/// <param name="value">[N, …].</param>
public delegate void ActivationTap(string name, Tensor value);

/// <summary>A network that runs: a graph, its parameters and its buffers. Not for use by two threads at once.</summary>
public sealed class GraphModule : IDisposable
{
    private readonly OrderedDictionary<string, Parameter> _parameters = [];
    private readonly OrderedDictionary<string, Tensor> _buffers = [];
    private readonly int[] _lastReader;

    private GraphModule(NetworkGraph graph, Device? device, Func<Node, ParameterShape, Tensor> value)
    {
        TorchRuntime.Configure();
        Graph = graph;
        Device = device ?? CPU;
        _lastReader = TensorLifetimes.LastReaders(graph);
        foreach (var (node, shape) in graph.Nodes.SelectMany(node => ParameterShapes.Of(node).Select(shape => (node, shape))))
        {
            using var scope = NewDisposeScope();
            var tensor = value(node, shape).On(Device).DetachFromDisposeScope();
            if (shape.Trainable)
                _parameters.Add(shape.Name, Detached(new Parameter(tensor)));
            else
                _buffers.Add(shape.Name, tensor);
        }

        if (_parameters.Count == 0)
        {
            throw new LatheException(
                $"Network '{graph.Name}' has no parameters, so there is nothing to train. It needs at least one convolution, linear or batch norm layer.");
        }
    }

    /// <summary>What it runs.</summary>
    public NetworkGraph Graph { get; }

    /// <summary>Device of its parameters and of its computations.</summary>
    public Device Device { get; }

    /// <summary>Trainable values by name, in the order of the graph.</summary>
    public IReadOnlyDictionary<string, Parameter> Parameters => _parameters;

    /// <summary>Running statistics of batch norms by name, in the order of the graph.</summary>
    public IReadOnlyDictionary<string, Tensor> Buffers => _buffers;

    /// <summary>A network to be trained from scratch. Its values depend on the seed and the tensors' names alone.</summary>
    /// <param name="graph">What to run.</param>
    /// <param name="seed">Decides the values.</param>
    /// <param name="device">Where it computes; null: on the CPU.</param>
    /// <exception cref="LatheException">It has no parameters.</exception>
    public static GraphModule Create(NetworkGraph graph, long seed, Device? device = null) =>
        new(graph, device, (node, shape) => FloatTensor(Initialization.Values(node, shape, seed), [.. shape.Shape]));

    /// <summary>A network with the values given, which are copied.</summary>
    /// <param name="graph">What to run.</param>
    /// <param name="tensors">Every parameter and buffer by name; any floating type, on any device.</param>
    /// <param name="device">Where it computes; null: on the CPU.</param>
    /// <exception cref="LatheException">Tensors are missing, unknown or of another shape; the message names them.</exception>
    public static GraphModule FromTensors(NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, Device? device = null)
    {
        CheckTensors(graph, tensors);
        return new(graph, device, (_, shape) => tensors[shape.Name].detach().to(ScalarType.Float32).to(CPU).clone().contiguous());
    }

    /// <summary>Detached float32 copies of all parameters and buffers, on the CPU, outside any dispose scope: the caller disposes them.</summary>
    public IReadOnlyDictionary<string, Tensor> Snapshot()
    {
        using var noGradient = no_grad();
        var copies = new OrderedDictionary<string, Tensor>();
        foreach (var shape in ParameterShapes.Of(Graph))
        {
            Tensor source = shape.Trainable ? _parameters[shape.Name] : _buffers[shape.Name];
            copies.Add(shape.Name, source.detach().cpu().clone().DetachFromDisposeScope());
        }

        return copies;
    }

    /// <summary>Overwrites all parameters and buffers in place.</summary>
    /// <exception cref="LatheException">Tensors are missing, unknown or of another shape; the message names them.</exception>
    public void Load(IReadOnlyDictionary<string, Tensor> tensors)
    {
        CheckTensors(Graph, tensors);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var shape in ParameterShapes.Of(Graph))
            (shape.Trainable ? _parameters[shape.Name] : _buffers[shape.Name]).copy_(tensors[shape.Name]);
    }

    /// <summary>Computes the logits.</summary>
    /// <param name="input">Float32 [N, C, H, W], normalized, on any device.</param>
    /// <param name="training">True: batch norm uses, and learns from, this batch; dropout drops.</param>
    /// <param name="view">Substitutes parameters; null uses them as they are.</param>
    /// <param name="dropout">Where dropout draws from; a new stream for each step.</param>
    /// <param name="precision">What layers compute with; statistics of batch norm are float32 always.</param>
    /// <param name="tap">Sees every tensor; null: nobody does.</param>
    /// <param name="outputs">Substitutes what nodes make; null uses it as it is.</param>
    /// <returns>Float32 [N, classes]; every other activation is disposed.</returns>
    public Tensor Forward(
        Tensor input,
        bool training,
        ParameterView? view = null,
        CounterRandom dropout = default,
        Precision precision = Precision.Float32,
        ActivationTap? tap = null,
        ActivationView? outputs = null)
    {
        Tensor Value(string name)
        {
            var value = _parameters[name];
            return view is null ? value : view(name, value);
        }

        var here = input.On(Device);
        try
        {
            return GraphExecution.Run(Graph, _lastReader, here, training, Value, _buffers, dropout, precision, tap, outputs);
        }
        finally
        {
            if (!ReferenceEquals(here, input))
                here.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in _parameters.Values)
            parameter.Dispose();
        foreach (var buffer in _buffers.Values)
            buffer.Dispose();
    }

    /// <summary>A float32 CPU tensor with a copy of the values.</summary>
    internal static Tensor FloatTensor(ReadOnlySpan<float> values, long[] shape)
    {
        var tensor = empty(shape, ScalarType.Float32);
        System.Runtime.InteropServices.MemoryMarshal.AsBytes(values).CopyTo(tensor.bytes);
        return tensor;
    }

    private static Parameter Detached(Parameter parameter)
    {
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    private static void CheckTensors(NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var specs = ParameterShapes.Of(graph).ToDictionary(shape => shape.Name);
        var faults = new List<string>();
        foreach (var spec in specs.Values)
        {
            if (!tensors.TryGetValue(spec.Name, out var tensor))
                faults.Add($"{spec.Name} is missing");
            else if (!tensor.shape.SequenceEqual(spec.Shape))
                faults.Add($"{spec.Name} is [{string.Join(", ", tensor.shape)}] and should be [{string.Join(", ", spec.Shape)}]");
            else if (!tensor.is_floating_point())
                faults.Add($"{spec.Name} is {tensor.dtype} and should be floating point");
        }

        faults.AddRange(tensors.Keys.Where(name => !specs.ContainsKey(name)).Select(name => $"{name} belongs to no layer"));
        if (faults.Count == 0)
            return;
        const int Shown = 8;
        var more = faults.Count > Shown ? $"; and {faults.Count - Shown} more" : "";
        throw new LatheException(
            $"The tensors do not fit network '{graph.Name}': {string.Join("; ", faults.Take(Shown))}{more}. " +
            "They must come from a checkpoint of the same network.");
    }
}
