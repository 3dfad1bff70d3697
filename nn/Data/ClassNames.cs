namespace Lathe.NN.Data;

/// <summary>What the classes of well-known data sets are called by those who made them.</summary>
public static class ClassNames
{
    private static readonly Dictionary<string, string[]> Known = new()
    {
        ["fashion-mnist"] = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
        ["cifar-10"] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    };

    /// <summary>The name of a class, or its number.</summary>
    public static string Of(string dataset, int label) =>
        Known.TryGetValue(dataset, out var names) && label < names.Length ? names[label] : $"{label}";
}
