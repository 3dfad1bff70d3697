using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;
using Lathe.Graph.Models;

namespace Lathe.Graph.Tests;

/// <summary>The JSON of networks names their checkpoints: it never changes for a network that could be written before.</summary>
public sealed class GraphJsonTests
{
    private const string Square =
        """{"version":1,"name":"all","input":[2,9,9],"nodes":[{"op":"conv2d","name":"conv","inputs":["input"],"inChannels":2,"outChannels":4,"kernel":3,"stride":2,"padding":1,"dilation":1,"groups":2,"bias":true},{"op":"batch_norm","name":"norm","inputs":["conv"],"channels":4,"epsilon":1E-05,"momentum":0.1},{"op":"activation","name":"act","inputs":["norm"],"kind":"hardSwish"},{"op":"max_pool2d","name":"max","inputs":["act"],"kernel":3,"stride":1,"padding":1},{"op":"avg_pool2d","name":"avg","inputs":["max"],"kernel":2,"stride":1,"padding":0},{"op":"pad","name":"pad","inputs":["avg"],"before":1,"after":0},{"op":"adaptive_avg_pool2d","name":"adaptive","inputs":["pad"],"height":2,"width":2},{"op":"flatten","name":"flat","inputs":["adaptive"]},{"op":"dropout","name":"drop","inputs":["flat"],"probability":0.5},{"op":"quantize","name":"round","inputs":["drop"],"fraction":4,"signed":true,"bits":8},{"op":"linear","name":"fc","inputs":["round"],"inFeatures":20,"outFeatures":3,"bias":false}],"output":"fc"}""";

    [Fact]
    public void A_square_network_has_the_text_it_always_had() => Assert.Equal(Square, GraphJson.Write(GraphJson.Read(Square)));

    [Fact]
    public void The_zoo_has_the_digest_it_always_had()
    {
        var texts = Zoo.Entries.Select(entry => GraphJson.Write(Zoo.Build(entry.Name, entry.Input, entry.Classes)));
        Assert.StartsWith("bc95c9f17cb0c201a934088e66ddc92d91185a3ed4d40397d9", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', texts)))));
    }
}
