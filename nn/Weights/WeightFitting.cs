using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Execution;
using static TorchSharp.torch;

namespace Lathe.NN.Weights;

/// <summary>Which of a file's tensors a network takes.</summary>
/// <param name="Taken">Name in the file by name in the network.</param>
/// <param name="Fresh">Tensors of the network that start from the seed instead: the last layer, if the file has other classes.</param>
public sealed record WeightMatch(IReadOnlyDictionary<string, string> Taken, IReadOnlyList<string> Fresh);

/// <summary>
/// Fits a state dict from elsewhere to a network, by torchvision's key names, which the zoo's networks have too. Counters
/// (<c>num_batches_tracked</c>, thop's <c>total_ops</c>) and prefixes of wrapped models (<c>module.</c>, <c>_orig_mod.</c>, or any that all names have) are left out.
/// </summary>
public static partial class WeightFitting
{
    private const int Shown = 6;

    private static readonly string[] Wrappers = ["module.", "_orig_mod."];
    private static readonly string[] Counters = ["num_batches_tracked", "n_averaged", "total_ops", "total_params"];

    /// <summary>Matches names and shapes.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="shapes">Shape of each of the file's tensors.</param>
    /// <param name="source">What to call the file in messages.</param>
    /// <exception cref="LatheException">Tensors are missing, unknown or of another shape; the message names them.</exception>
    public static WeightMatch Match(NetworkGraph graph, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, string source)
    {
        var offered = new Dictionary<string, string>();
        foreach (var name in shapes.Keys.Where(name => !IsCounter(name)))
        {
            if (!offered.TryAdd(Usual(name), name))
                throw new LatheException($"{source} has both {offered[Usual(name)]} and {name}, which are names of one tensor; expected a state dict of one network");
        }

        offered = WithoutCommonPrefix(offered, [.. ParameterShapes.Of(graph).Select(wanted => wanted.Name)]);
        var last = graph.Nodes.OfType<Linear>().LastOrDefault()?.Name;
        var taken = new Dictionary<string, string>();
        var fresh = new List<string>();
        var faults = new List<string>();
        foreach (var wanted in ParameterShapes.Of(graph))
        {
            if (!offered.Remove(wanted.Name, out var name))
                faults.Add($"{wanted.Name} is missing");
            else if (shapes[name].SequenceEqual(wanted.Shape))
                taken.Add(wanted.Name, name);
            else if (IsOf(last, wanted.Name) && shapes[name].Skip(1).SequenceEqual(wanted.Shape.Skip(1)))
                fresh.Add(wanted.Name);
            else
                faults.Add($"{wanted.Name} is [{string.Join(", ", shapes[name])}] and should be [{string.Join(", ", wanted.Shape)}]");
        }

        faults.AddRange(offered.Values.Select(name => $"{name} belongs to no layer"));
        // A head is taken whole or not at all.
        if (fresh.Count > 0)
        {
            fresh.AddRange(taken.Keys.Where(name => IsOf(last, name)));
            foreach (var name in fresh)
                taken.Remove(name);
        }

        return faults.Count == 0 ? new WeightMatch(taken, fresh) : throw new LatheException(
            $"{source} does not hold the weights of '{graph.Name}': {string.Join("; ", faults.Take(Shown))}"
            + (faults.Count > Shown ? $"; and {faults.Count - Shown} more" : "")
            + ". Expected a state dict of the same architecture with torchvision's names"
            + (graph.Nodes.OfType<BatchNorm>().Any() && !shapes.Keys.Any(name => name.EndsWith(".running_mean", StringComparison.Ordinal))
                ? "; the network has batch norm, and the file has none (torchvision calls such networks vgg11_bn and the like)" : ""));
    }

    /// <summary>A network that starts from a file's weights, and from the seed where they do not fit its classes.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">The file's tensors; copied, any floating type.</param>
    /// <param name="seed">For what starts fresh.</param>
    /// <param name="source">What to call the file in messages.</param>
    /// <param name="device">Where it computes; null: on the CPU.</param>
    /// <exception cref="LatheException">They do not fit.</exception>
    public static GraphModule Create(NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, long seed, string source, Device? device = null)
    {
        var match = Match(graph, tensors.ToDictionary(t => t.Key, t => (IReadOnlyList<long>)t.Value.shape), source);
        var module = GraphModule.Create(graph, seed, device);
        try
        {
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            foreach (var (name, from) in match.Taken)
            {
                Tensor target = module.Parameters.TryGetValue(name, out var parameter) ? parameter : module.Buffers[name];
                Check(from, tensors[from], source);
                target.copy_(tensors[from]);
            }

            return module;
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    private static void Check(string name, Tensor tensor, string source)
    {
        if (!tensor.isfinite().all().item<bool>())
            throw new LatheException($"{source}: {name} has values that are no finite numbers, so nothing can start from it");
        if (name.EndsWith(".running_var", StringComparison.Ordinal) && tensor.to(ScalarType.Float32).min().item<float>() < 0)
            throw new LatheException($"{source}: {name} has negative values; a variance has none");
    }

    private static bool IsOf(string? layer, string tensor) => layer is not null && tensor.StartsWith(layer + ".", StringComparison.Ordinal);

    /// <summary>Counters of batches seen and of averages taken, and what a profiler (thop) left.</summary>
    private static bool IsCounter(string name) => Counters.Contains(name[(name.LastIndexOf('.') + 1)..]);

    /// <summary>Without modules' names that all names begin with, such as <c>model.</c> or <c>model.backbone.</c>, where more of them are the network's without those.</summary>
    private static Dictionary<string, string> WithoutCommonPrefix(Dictionary<string, string> offered, HashSet<string> wanted)
    {
        var best = (Prefix: "", Fits: offered.Keys.Count(wanted.Contains));
        var first = offered.Keys.FirstOrDefault() ?? "";
        for (var dot = first.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = first.IndexOf('.', dot + 1))
        {
            var prefix = first[..(dot + 1)];
            if (!offered.Keys.All(name => name.StartsWith(prefix, StringComparison.Ordinal))) break;
            var fits = offered.Keys.Count(name => wanted.Contains(name[prefix.Length..]));
            if (fits > best.Fits) best = (prefix, fits);
        }

        return best.Prefix.Length == 0 ? offered : offered.ToDictionary(pair => pair.Key[best.Prefix.Length..], pair => pair.Value);
    }

    private static string Usual(string name)
    {
        // Of models that were trained in parallel and compiled, in any order.
        while (Wrappers.FirstOrDefault(wrapper => name.StartsWith(wrapper, StringComparison.Ordinal)) is { } wrapper)
            name = name[wrapper.Length..];
        // torchvision's published DenseNets still have the names of its first version: norm.1 for norm1.
        return FirstDenseNets().Replace(name, "$1$2");
    }

    [GeneratedRegex(@"^(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)$")]
    private static partial Regex FirstDenseNets();
}
