using Lathe.Evaluator;
using Lathe.Hosting;

return await StageHost.RunAsync<EvaluateStage, EvaluateParameters>(args);
