using System.Text.RegularExpressions;

namespace Lathe.Architecture.Tests;

/// <summary>
/// TorchSharp's own conversion from a number to a Scalar leaves the object to the garbage collector, which may free it during the call.
/// </summary>
public sealed partial class ScalarsOutliveTheirCall
{
    [Fact]
    public void Numbers_reach_tensors_by_ScalarMath_alone()
    {
        var found = new[] { "nn", "services", "hosting" }
            .SelectMany(room => Directory.EnumerateFiles(Path.Combine(Repository.Root, room), "*.cs", SearchOption.AllDirectories))
            .Where(file => Path.GetFileName(file) != "ScalarMath.cs")
            .SelectMany(file => File.ReadLines(file).Select((line, index) => (Line: line, Place: $"{Path.GetRelativePath(Repository.Root, file)}:{index + 1}")))
            .Where(at => Hazard().IsMatch(at.Line))
            .Select(at => $"{at.Place}: {at.Line.Trim()}")
            .ToList();
        Assert.True(found.Count == 0, $"call nn/Runtime/ScalarMath.cs instead:\n{string.Join('\n', found)}");
    }

    [Theory]
    [InlineData("velocity.mul_(0.9)", true)]
    [InlineData("weight.add_(gradient, -rate)", true)]
    [InlineData("weight.clamp_(-1, 1)", true)]
    [InlineData("weight.add_(gradient)", false)]
    [InlineData("weight.TimesInPlace(0.9)", false)]
    [InlineData("list.Add(one)", false)]
    public void A_hazard_is_seen(string line, bool isHazard) => Assert.Equal(isHazard, Hazard().IsMatch(line));

    [GeneratedRegex(@"\.((mul|div|clamp|fill|pow|remainder)_?\(|(add|sub)_?\([^()]*,)")]
    private static partial Regex Hazard();
}
