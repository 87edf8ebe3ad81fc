# The manifests of k8s/; included by CMakeLists.txt beside it. Both render them in seconds.
millrace_deploy_test(k8s_test COST 10)
millrace_deploy_test(k8s_wiring_test COST 10)
