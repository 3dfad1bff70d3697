namespace Lathe.Graph;

/// <summary>The working of <see cref="ChannelGroups.Of"/>: union-find over single channels, then grouping by use.</summary>
internal sealed class ChannelTies
{
    private readonly NetworkGraph _graph;
    private readonly IReadOnlyDictionary<string, TensorShape> _shapes;
    private readonly List<int> _parent = [];
    private readonly Dictionary<string, int[]> _elements = [];

    public ChannelTies(NetworkGraph graph)
    {
        _graph = graph;
        _shapes = GraphValidation.Check(graph);
        // Element 0 is the whole image: channels that are tied to any of its channels cannot be removed.
        _parent.Add(0);
        _elements[NetworkGraph.InputName] = new int[graph.Input.Channels];
        foreach (var node in graph.Nodes)
            _elements[node.Name] = Pass(node);
    }

    public ChannelGroups Build()
    {
        var gatesOf = NumberGates(out var count);
        var batchNorms = new List<NodeChannel>[count];
        var producers = new List<NodeChannel>[count];
        for (var gate = 0; gate < count; gate++)
            (batchNorms[gate], producers[gate]) = ([], []);
        foreach (var node in _graph.Nodes)
        {
            if (node is not (BatchNorm or Conv2d or Linear)) continue;
            var lists = node is BatchNorm ? batchNorms : producers;
            var gates = gatesOf[node.Name];
            for (var c = 0; c < gates.Length; c++)
            {
                if (gates[c] >= 0) lists[gates[c]].Add(new NodeChannel(node.Name, c));
            }
        }

        var groupOf = GroupByUse(gatesOf, count);
        var gateList = Enumerable.Range(0, count).Select(g => new Gate(g, groupOf[g], batchNorms[g], producers[g])).ToList();
        return new ChannelGroups(gatesOf, gateList, Describe(gatesOf, gateList));
    }

    /// <summary>The elements of a node's tensor, channel by channel.</summary>
    private int[] Pass(Node node)
    {
        var first = _elements[node.Inputs[0]];
        switch (node)
        {
            case Conv2d conv when ChannelGroups.IsDepthwise(conv):
                return first;
            case Conv2d conv:
                TieAcrossGroups(first, conv.Groups);
                var made = Start(conv.OutChannels);
                TieAcrossGroups(made, conv.Groups);
                return made;
            case Linear linear:
                return Start(linear.OutFeatures);
            case Add or Mul:
                // A product of channels is removed whole as well: what closes makes at least one factor zero.
                foreach (var other in node.Inputs.Skip(1).Select(name => _elements[name]))
                {
                    for (var c = 0; c < first.Length; c++)
                        Unite(first[c], other[c]);
                }

                return first;
            case Pad pad:
                // Zeros are elements of their own, which an addition ties to the channels that they are added to.
                return [.. Start(pad.Before), .. first, .. Start(pad.After)];
            case Concat:
                return [.. node.Inputs.SelectMany(name => _elements[name])];
            case Flatten:
                var shape = _shapes[node.Inputs[0]];
                var repeat = shape.Height * shape.Width;
                return [.. first.SelectMany(e => Enumerable.Repeat(e, repeat))];
            case GroupNorm:
                // Each channel decides the mean and variance of its group.
                foreach (var element in first) Unite(0, element);
                return first;
            case Unflatten unflatten:
                var pixels = unflatten.Height * unflatten.Width;
                for (var i = 0; i < first.Length; i++) Unite(first[i / pixels * pixels], first[i]);
                return [.. Enumerable.Range(0, first.Length / pixels).Select(c => first[c * pixels])];
            default:
                return first;
        }
    }

    private int[] Start(int channels)
    {
        var elements = new int[channels];
        for (var c = 0; c < channels; c++)
        {
            elements[c] = _parent.Count;
            _parent.Add(elements[c]);
        }

        return elements;
    }

    /// <summary>A grouped convolution stays one only if every group keeps the same positions.</summary>
    private void TieAcrossGroups(int[] elements, int groups)
    {
        var width = elements.Length / groups;
        for (var i = width; i < elements.Length; i++)
            Unite(elements[i % width], elements[i]);
    }

    private int Find(int element)
    {
        while (_parent[element] != element)
            element = _parent[element] = _parent[_parent[element]];
        return element;
    }

    private void Unite(int a, int b)
    {
        (a, b) = (Find(a), Find(b));
        // The smaller stays root, so that the image (0) always does.
        if (a < b) _parent[b] = a;
        else _parent[a] = b;
    }

    /// <summary>Gates are numbered by first appearance in the graph's order.</summary>
    private Dictionary<string, int[]> NumberGates(out int count)
    {
        var numbers = new Dictionary<int, int> { [0] = ChannelGroups.Image };
        var gatesOf = new Dictionary<string, int[]>(_elements.Count);
        foreach (var name in _graph.Nodes.Select(node => node.Name).Prepend(NetworkGraph.InputName))
        {
            gatesOf[name] = Array.ConvertAll(_elements[name], element =>
            {
                var root = Find(element);
                if (!numbers.TryGetValue(root, out var gate))
                    numbers[root] = gate = numbers.Count - 1;
                return gate;
            });
        }

        count = numbers.Count - 1;
        return gatesOf;
    }

    /// <summary>Splits the gates tensor by tensor: two stay together only while each tensor holds them equally often.</summary>
    private int[] GroupByUse(Dictionary<string, int[]> gatesOf, int count)
    {
        var group = new int[count];
        var groups = 1;
        foreach (var gates in _graph.Nodes.Select(node => gatesOf[node.Name]))
        {
            var uses = new Dictionary<int, int>();
            foreach (var gate in gates)
            {
                if (gate >= 0) uses[gate] = uses.GetValueOrDefault(gate) + 1;
            }

            var split = new Dictionary<(int Group, int Uses), int>();
            foreach (var (gate, number) in uses)
            {
                var key = (group[gate], number);
                if (!split.TryGetValue(key, out var to))
                    split[key] = to = groups++;
                group[gate] = to;
            }
        }

        var order = new Dictionary<int, int>();
        return Array.ConvertAll(group, g =>
        {
            if (!order.TryGetValue(g, out var index))
                order[g] = index = order.Count;
            return index;
        });
    }

    private List<ChannelGroup> Describe(Dictionary<string, int[]> gatesOf, List<Gate> gates)
    {
        var kept = ClosedChannels.StillRead(_graph, gatesOf, byBatchNormAlone: false);
        kept.UnionWith(gatesOf[_graph.Output].Where(g => g >= 0));
        var open = ClosedChannels.StillRead(_graph, gatesOf, byBatchNormAlone: true);
        return [.. gates.GroupBy(g => g.Group).OrderBy(g => g.Key).Select(group => new ChannelGroup(
            group.Key,
            [.. group.Select(g => g.Index)],
            !group.Any(g => kept.Contains(g.Index)),
            !group.Any(g => open.Contains(g.Index)),
            [.. group.SelectMany(g => g.BatchNorms).Select(b => b.Node).Distinct()],
            [.. group.SelectMany(g => g.Producers).Select(p => p.Node).Distinct()]))];
    }
}
